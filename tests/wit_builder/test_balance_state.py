from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.pairs import matched
from wit_builder import balance_state, keys
from wit_builder.balance_state import NONE, Generation, SeenUids, current, successor, write_seen
from wit_builder.errors import UserError
from wit_builder.hashing import uid_halves
from wit_builder.parts import part_path
from wit_builder.schemas import QUERY_COUNT

UIDS = uid_halves(matched((f"http://{number}", [0]) for number in range(200)).column("uid"))
SORTED = UIDS[np.lexsort((UIDS[:, 1], UIDS[:, 0]))]
FACTS = {"mode": "exact", "balance_seed": 0}


def distinct(uids: np.ndarray, seen: np.ndarray) -> pa.Table:
    ids = pa.array([[0]] * len(uids), keys.DISTINCT.field("matched_query_ids").type)
    columns = [pa.array(uids[:, 0]), pa.array(uids[:, 1]), pa.array(seen), ids]
    return pa.Table.from_arrays(columns, schema=keys.DISTINCT)


def test_uids_are_read_back_also_by_more_buckets(tmp_path: Path) -> None:
    edges = keys.bucket_edges(SORTED[:, 0], 1)
    for bucket in range(2):
        uids = SORTED[edges[bucket] : edges[bucket + 1]]
        known = np.arange(len(uids)) % 3 == 0
        write_seen(part_path(str(tmp_path), bucket, 2), uids[known], distinct(uids[::-1], known[::-1]))
    for bits in (1, 2, 5):
        seen = SeenUids(str(tmp_path), 1, bits)
        read = [seen.read(part_path("distinct", bucket, 1 << bits)) for bucket in range(1 << bits)]
        assert np.concatenate(read).tolist() == SORTED.tolist()


def test_a_generation_counts_once_it_is_committed(tmp_path: Path) -> None:
    base = current(str(tmp_path))
    assert base.name == NONE
    after = successor(base, "matches", FACTS)
    report = pa.Table.from_pylist(
        [{"query_id": 0, "count": 7, "kept_by_query": 7, "kept_total": 7, "threshold": 1}], QUERY_COUNT
    )
    after.write(FACTS, report)
    assert current(str(tmp_path)).name == NONE
    after.commit()
    assert current(str(tmp_path)) == after
    assert (after.counts().tolist(), after.facts()) == ([7], FACTS)
    after.remove()
    with pytest.raises(UserError, match="another update has replaced it"):
        after.facts()


def test_an_update_taken_up_again_makes_the_same_generation() -> None:
    base = Generation("state", "abc")
    assert successor(base, "m", FACTS) == successor(base, "m", dict(reversed(FACTS.items())))
    others = [
        successor(base, "n", FACTS),
        successor(base, "m", {**FACTS, "balance_seed": 1}),
        successor(Generation("state", "xyz"), "m", FACTS),
    ]
    assert len({successor(base, "m", FACTS), *others}) == 4


def test_other_rules_are_named() -> None:
    balance_state.require_same_rules({**FACTS, "pairs": 3}, FACTS, "state")
    with pytest.raises(UserError, match="state was made with mode 'exact', now it is 'expected'"):
        balance_state.require_same_rules(FACTS, {**FACTS, "mode": "expected"}, "state")
