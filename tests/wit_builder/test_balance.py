import random
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pairs import matched
from wit_builder import balance
from wit_builder.errors import UserError
from wit_builder.hashing import mix, uid_words

QUERIES = 6
Matches = list[list[int]]
Selected = dict[str, list[int]]


def oracle(matches: Matches, cap: int, seed: int) -> Selected:
    """Each query sorts all its pairs by (priority, uid) and takes the first `cap`."""
    chosen = defaultdict(list)
    uids = matched((f"http://{n}", ids) for n, ids in enumerate(matches)).column("uid").to_pylist()
    for query in range(QUERIES):
        mask = mix(np.array([query], np.uint64), seed)
        ranked = sorted(
            (int(mix(uid_words([uid]) ^ mask, seed)[0]), uid)
            for uid, ids in zip(uids, matches, strict=True)
            if query in ids
        )
        for _, uid in ranked[:cap]:
            chosen[uid].append(query)
    return dict(chosen)


def run(
    batches: list[pa.RecordBatch], cap: int, seed: int
) -> tuple[Selected, balance.Counts, balance.Counts]:
    table, _ = balance.deduplicate(batches)
    rows = table.to_batches(7)
    counts = balance.join_slices(balance.count_slices(rows, "matched_query_ids", QUERIES), QUERIES)
    limits = balance.sampling_limits(counts, cap)
    found = dict(balance.smallest_by_query(rows, limits, cap, seed))
    thresholds = balance.threshold_table(QUERIES, ((q, entries[cap - 1]) for q, entries in found.items()))
    kept: list[pa.RecordBatch] = []
    for batch in rows:
        pairs, reasons = balance.select(batch, thresholds, seed)
        kept.append(pairs.filter(reasons.is_null()))
    chosen = {row["uid"]: row["selected_query_ids"] for batch in kept for row in batch.to_pylist()}
    selected = balance.join_slices(balance.count_slices(kept, "selected_query_ids", QUERIES), QUERIES)
    return chosen, counts, selected


@given(
    st.lists(st.lists(st.integers(0, QUERIES - 1), min_size=1, max_size=4), max_size=60),
    st.integers(1, 30),
    st.integers(0, 2**64 - 1),
    st.randoms(use_true_random=False),
)
def test_exact_mode_equals_the_oracle_in_any_order_and_with_repeats(
    matches: Matches, cap: int, seed: int, order: random.Random
) -> None:
    pairs = [(f"http://{n}", ids) for n, ids in enumerate(matches)]
    shuffled = pairs + pairs[: len(pairs) // 2]
    order.shuffle(shuffled)
    cut = len(shuffled) // 3
    chosen, counts, selected = run([matched(shuffled[:cut]), matched(shuffled[cut:])], cap, seed)
    assert chosen == oracle(matches, cap, seed)
    assert selected.tolist() == np.minimum(counts, cap).tolist()


def test_equal_priorities_are_told_apart_by_uid() -> None:
    first = np.array([(5, 1, 1), (5, 1, 2), (5, 0, 9), (4, 9, 9)], balance.ENTRY)
    assert balance.bottom_k(first, 3).tolist() == [(4, 9, 9), (5, 0, 9), (5, 1, 1)]
    batch = matched([("http://a", [0]), ("http://b", [0])])
    uid = sorted(batch.column("uid").to_pylist())
    priority = int(balance.priorities(uid_words([uid[0]]), np.array([0], np.int32), 3)[0])
    last = np.array((priority, int(uid[0][:16], 16), int(uid[0][16:], 16)), balance.ENTRY)
    table = balance.threshold_table(1, [(0, last)])
    _, reasons = balance.select(batch, table, 3)
    kept = batch.filter(reasons.is_null()).column("uid").to_pylist()
    assert uid[0] in kept
    table["uid_low"] -= np.uint64(1)
    _, reasons = balance.select(batch, table, 3)
    assert uid[0] not in batch.filter(reasons.is_null()).column("uid").to_pylist()


def test_of_duplicates_the_smallest_page_represents() -> None:
    rows = [matched([("http://a", [1])], page) for page in ("http://c/", "http://a/", "http://b/")]
    table, dropped = balance.deduplicate(rows)
    assert (table.column("page_url").to_pylist(), dropped) == (["http://a/"], 2)


def test_only_head_queries_get_a_limit() -> None:
    limits = balance.sampling_limits(np.array([0, 20_000, 20_001, 10**9]), 20_000)
    assert limits[:2].tolist() == [0, 0]
    assert limits[2] == balance.EVERYTHING
    assert 20_000 / 10**9 < limits[3] / 2**64 < 23_000 / 10**9


def test_a_limit_lets_enough_through() -> None:
    cap, seed = 50, 1
    batch = matched((f"http://{n}", [0]) for n in range(20_000))
    limits = balance.sampling_limits(np.array([20_000]), cap)
    ((query, entries),) = balance.smallest_by_query([batch], limits, cap, seed)
    everything = np.full(1, balance.EVERYTHING)
    ((_, expected),) = balance.smallest_by_query([batch], everything, cap, seed)
    assert (query, entries.tolist()) == (0, expected.tolist())


def test_an_id_outside_the_vocabulary_is_named() -> None:
    with pytest.raises(UserError, match="query id 9 is not in the vocabulary of 6 queries"):
        list(balance.count_slices([matched([("http://a", [9])])], "matched_query_ids", QUERIES))


def test_slices_put_counts_at_their_ids() -> None:
    batch = matched([("http://a", [0, 5000]), ("http://b", [5000])])
    slices = dict(balance.count_slices([batch], "matched_query_ids", 10_000))
    assert sorted(slices) == [0, 1]
    joined = balance.join_slices(slices.items(), 10_000)
    assert (joined[0], joined[5000], joined.sum(), len(joined)) == (1, 2, 3, 10_000)


def test_no_rows_are_no_matches() -> None:
    assert run([matched([])], 3, 0)[0] == {}
