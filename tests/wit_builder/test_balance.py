import itertools
import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.balancing import Pair, Selected, batches, oracle, priority, run
from tests.pairs import matched
from wit_builder import balance, matches, thresholds
from wit_builder.balance import Mode, Rule
from wit_builder.hashing import UInt64s

QUERIES = 6
some_matches = st.lists(st.lists(st.integers(0, QUERIES - 1), max_size=4, unique=True), max_size=60)
caps = st.one_of(st.just(1), st.integers(1, 30), st.just(10**9))
seeds = st.integers(0, 2**64 - 1)
orders = st.randoms(use_true_random=False)


@pytest.fixture(params=["priorities all differ", "three priorities", "one priority"])
def ties(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    different = {"priorities all differ": 0, "three priorities": 3, "one priority": 1}[request.param]
    hashed = matches.priorities

    def few(words: UInt64s, query_ids: matches.Ids, seed: int) -> UInt64s:
        return (hashed(words, query_ids, seed) % np.uint64(different)) << np.uint64(40)

    monkeypatch.setattr(thresholds, "FEW", 2)  # so few matches would be read without a histogram
    if different:
        monkeypatch.setattr(matches, "priorities", few)


def numbered(found: list[list[int]]) -> list[Pair]:
    return [(f"http://{number}", ids) for number, ids in enumerate(found)]


def repeated_and_shuffled(pairs: list[Pair], order: random.Random) -> list[Pair]:
    shuffled = pairs + pairs[: len(pairs) // 2] + pairs[: len(pairs) // 4]
    order.shuffle(shuffled)
    return shuffled


def sizes(order: random.Random) -> Iterator[int]:
    while True:
        yield order.randint(1, 40)


@pytest.mark.usefixtures("ties")
@pytest.mark.parametrize("mode", [Mode.EXACT, Mode.PRIMARY])
def test_pairs_are_the_oracles_in_any_order_split_and_with_repeats(mode: Mode) -> None:
    @given(some_matches, caps, seeds, orders)
    def check(found: list[list[int]], cap: int, seed: int, order: random.Random) -> None:
        pairs = numbered(found)
        balanced = run(batches(repeated_and_shuffled(pairs, order), sizes(order)), QUERIES, cap, seed, mode)
        assert balanced.chosen == oracle(pairs, QUERIES, cap, seed, mode)
        if mode is Mode.EXACT:
            assert balanced.selected.tolist() == np.minimum(balanced.counts, cap).tolist()
        else:
            assert all(len(ids) == 1 for ids in balanced.chosen.values())
            assert balanced.selected.max(initial=0) <= cap

    check()


@given(some_matches, caps, seeds, orders)
def test_expected_mode_is_the_oracles_in_any_order_split_and_with_repeats(
    found: list[list[int]], cap: int, seed: int, order: random.Random
) -> None:
    pairs = numbered(found)
    groups = batches(repeated_and_shuffled(pairs, order), sizes(order))
    assert run(groups, QUERIES, cap, seed, Mode.EXPECTED).chosen == oracle(
        pairs, QUERIES, cap, seed, Mode.EXPECTED
    )


def test_expected_mode_keeps_as_many_as_the_binomial_distribution_says() -> None:
    pairs = numbered([[0]] * 20_000)
    for seed in range(5):
        kept = len(run([[matched(pairs)]], 1, 2_000, seed, Mode.EXPECTED).chosen)
        assert abs(kept - 2_000) < 5 * (20_000 * 0.1 * 0.9) ** 0.5  # five standard deviations


def test_another_seed_chooses_other_pairs() -> None:
    pairs = numbered([[0]] * 200)
    chosen = [frozenset(run([[matched(pairs)]], 1, 20, seed).chosen) for seed in range(10)]
    assert len(set(chosen)) == 10


def test_histograms_of_any_size_find_what_reading_all_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = numbered([[number % 3, 3] for number in range(3_000)])
    expected = run([[matched(pairs)]], 4, 100, 0)
    monkeypatch.setattr(thresholds, "FEW", 1)
    for cells in (thresholds.CELLS, 1):  # 1: four bins, many rounds
        monkeypatch.setattr(thresholds, "CELLS", cells)
        assert run([[matched(pairs)]], 4, 100, 0).chosen == expected.chosen
    assert expected.selected.tolist() == [100] * 4


def test_equal_priorities_are_told_apart_by_uid() -> None:
    batch = matched([("http://a", [0]), ("http://b", [0])])
    first, second = sorted(batch.column("uid").to_pylist())
    halves = (int(first[:16], 16), int(first[16:], 16))
    table = np.array([(priority(first, 0, 3), *halves)], thresholds.ENTRY)
    lost = np.zeros(2, dtype=bool)

    def kept() -> list[str]:
        pairs, reasons = balance.select(batch, Rule(table, 3), lost)
        found: list[str] = pairs.filter(reasons.is_null()).column("uid").to_pylist()
        return found

    assert first in kept()
    table["uid_low"] -= np.uint64(1)
    assert first not in kept()
    del second


def test_every_row_that_goes_has_its_reason() -> None:
    rows = [("http://a", [0]), ("http://a", [0]), ("http://b", [0]), ("http://c", [])]
    balanced = run([[matched(rows[:1])], [matched(rows[1:])]], 1, 1, 0)
    assert sorted(filter(None, balanced.reasons)) == ["duplicate_pair", "no_query", "over_cap"]
    assert balanced.reasons.count(None) == balanced.kept.num_rows == 1


def test_the_rarest_query_of_equally_rare_ones_is_the_one_of_smaller_id() -> None:
    found = matches.matches_of(
        matched([("http://a", [1, 3, 4]), ("http://b", [0]), ("http://c", [])]), "matched_query_ids"
    )
    considered = balance.considered(found, np.array([9, 5, 0, 2, 2]))
    assert (considered.rows.tolist(), considered.ids.tolist()) == ([0, 1], [3, 0])


def test_shares_and_entropy_of_a_known_distribution() -> None:
    counts, selected = np.array([60, 30, 10, 0]), np.array([20, 20, 10, 0])
    shares = balance.shares(counts, selected, 20)
    assert shares == {
        "matches": 100,
        "matches_under_cap": 50,
        "matches_selected": 50,
        "queries_matched": 3,
        "head_queries": 2,
        "head_share_before": 0.9,
        "head_share_after": 0.8,
        "tail_share_before": 0.1,
        "tail_share_after": 0.2,
        "entropy_before": 1.2955,
        "entropy_after": 1.5219,
    }
    assert balance.entropy(np.array([4, 4, 4, 4])) == 2
    assert balance.entropy(np.zeros(3, np.int64)) == 0


def test_the_queries_that_lost_most_come_first() -> None:
    counts = np.array([5, 100, 100, 7])
    assert balance.lost_most(counts, np.array([5, 40, 40, 2]), 3) == [1, 2, 3]
    assert balance.lost_most(counts, counts, 3) == []


def test_no_rows_are_no_matches() -> None:
    assert run([[matched([])]], QUERIES, 3, 0).chosen == {}


def every(limit: int) -> Iterator[Selected]:
    pairs = numbered([[0, 1], [1], [1, 2], [2]])
    for order in itertools.islice(itertools.permutations(pairs), limit):
        yield run([[matched([pair])] for pair in order], 3, 1, 7).chosen


def test_every_order_of_four_pairs_gives_the_same() -> None:
    first, *others = every(24)
    assert all(other == first for other in others)
