from pathlib import Path

import numpy as np
import pytest

from pipelines.balance_plot import BalancePlotOptions, ranked, run
from pipelines.session import Session
from tests.matched import write_match
from tests.pairs import matched
from tests.pipelines import test_balance as balances
from wit_builder.errors import UserError


def test_a_panel_for_each_mode_and_the_same_bytes_twice(tmp_path: Path) -> None:
    match = write_match(tmp_path / "match", [matched(balances.some_pairs(100, 1))], balances.QUERIES)
    modes = ("exact", "expected", "primary")
    for mode in modes:
        balances.run(match, tmp_path / mode, mode=mode)
    drawn = []
    for name in ("a.svg", "b.svg"):
        folders = tuple(str(tmp_path / mode) for mode in modes)
        done = run(BalancePlotOptions(balances=folders, output=str(tmp_path / name)), Session())
        assert done["modes"] == list(modes)
        drawn.append((tmp_path / name).read_bytes())
    assert drawn[0] == drawn[1]
    assert all(f"{mode}: ".encode() in drawn[0] for mode in modes)


def test_ranks_are_thinned_and_zeros_left_out() -> None:
    ranks, counts = ranked(np.array([3, 0, 9, 1]))
    assert (ranks.tolist(), counts.tolist()) == ([1, 2, 3], [9, 3, 1])
    ranks, counts = ranked(np.arange(1_000_000))
    assert len(ranks) <= 100
    assert (ranks[0], counts[0], ranks[-1], counts[-1]) == (1, 999_999, 999_999, 1)
    assert len(ranked(np.zeros(3, np.int64))[0]) == 0


def test_no_folder_and_no_balance_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="balances names no folder"):
        BalancePlotOptions(balances=(), output="x.svg")
    with pytest.raises(UserError, match="gone does not exist"):
        run(BalancePlotOptions(balances=(str(tmp_path / "gone"),), output="x.svg"), Session())
