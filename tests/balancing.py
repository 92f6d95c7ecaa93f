"""Balance in one process, without files or Beam: the pure functions in the order of the road."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tests.pairs import matched
from wit_builder import balance, keys, matches, thresholds
from wit_builder.balance import Mode, Rule
from wit_builder.matches import Counts, Matches, count_slices, join_slices, matches_of

Pair = tuple[str, Sequence[int]]
"""URL and matched query ids."""
Selected = dict[str, list[int]]
"""Query ids that selected a pair, by uid."""


def oracle(pairs: Sequence[Pair], queries: int, cap: int, seed: int, mode: Mode = Mode.EXACT) -> Selected:
    """Each query sorts all its distinct pairs by (priority, uid) and takes the first `cap`."""
    ids = {row["uid"]: row["matched_query_ids"] for row in matched(pairs).to_pylist()}
    counts = [sum(query in found for found in ids.values()) for query in range(queries)]
    if mode == Mode.PRIMARY:
        ids = {uid: sorted(found, key=lambda query: (counts[query], query))[:1] for uid, found in ids.items()}
    chosen = defaultdict(list)
    for query in range(queries):
        ranked = sorted((priority(uid, query, seed), uid) for uid, found in ids.items() if query in found)
        if mode == Mode.EXPECTED:
            ranked = [(hashed, uid) for hashed, uid in ranked if hashed * counts[query] < cap << 64]
        for _, uid in ranked if mode == Mode.EXPECTED else ranked[:cap]:
            chosen[uid].append(query)
    return dict(chosen)


def priority(uid: str, query: int, seed: int) -> int:
    word = np.array([int(uid[:16], 16)], np.uint64)
    return int(matches.priorities(word, np.array([query], np.int32), seed)[0])


class Balanced(NamedTuple):
    kept: pa.Table
    counts: Counts
    selected: Counts
    reasons: list[str | None]

    @property
    def chosen(self) -> Selected:
        return {row["uid"]: row["selected_query_ids"] for row in self.kept.to_pylist()}


def run(
    groups: Sequence[Sequence[pa.RecordBatch]], queries: int, cap: int, seed: int, mode: Mode = Mode.EXACT
) -> Balanced:
    """Balance groups of batches as `wit balance` does, with four buckets of uids."""
    divided = [keys.divide_keys(keys.keys_of(group), 2) for group in groups]
    nothing = np.empty((0, 2), np.uint64)
    merged = [keys.merge_keys([segments[bucket] for segments, _ in divided], nothing) for bucket in range(4)]
    found = [
        matches_of(batch, "matched_query_ids") for part in merged for batch in part.distinct.to_batches(7)
    ]
    counts = count(found, queries)
    rarity = counts if mode == Mode.PRIMARY else None
    found = [balance.considered(some, rarity) for some in found]
    considered = count(found, queries)
    expected = mode == Mode.EXPECTED
    table = thresholds.expected_table(counts, cap) if expected else exact_table(found, considered, cap, seed)
    rule = Rule(table, seed, rarity)
    kept, reasons = [], []
    for index, (group, (_, already)) in enumerate(zip(groups, divided, strict=True)):
        lost = keys.lost_rows([part.lost[index] for part in merged], already)
        for batch, mask in keys.mark_lost(group, lost):
            pairs, why = balance.select(batch, rule, mask)
            kept.append(pairs.filter(why.is_null()))
            reasons += why.to_pylist()
    table_kept = pa.Table.from_batches(kept, matched([]).schema)
    selected = count([matches_of(batch, "selected_query_ids") for batch in kept], queries)
    return Balanced(table_kept, counts, selected, reasons)


def count(found: Sequence[Matches], queries: int) -> Counts:
    return join_slices(count_slices([some.ids for some in found], queries), queries)


def exact_table(found: Sequence[Matches], counts: Counts, cap: int, seed: int) -> thresholds.Entries:
    """Search as `pipelines.passes` does."""
    wide = thresholds.begin(counts, cap)
    narrow = [wide.rows[wide.narrow]]
    while not wide.narrow.all():
        wide = thresholds.Search(cap, wide.rows[~wide.narrow])
        table = thresholds.sought_table(wide, len(counts))
        cells = (thresholds.cells_of(some, table, seed) for some in found)
        wide = thresholds.tighten(wide, join_slices(count_slices(cells, wide.cells), wide.cells))
        narrow.append(wide.rows[wide.narrow])
    last = thresholds.Search(cap, np.sort(np.concatenate(narrow), order="query"))
    table = thresholds.sought_table(last, len(counts))
    inside = [thresholds.found_in(some, table, seed) for some in found]
    return thresholds.exact_table(len(counts), last, np.concatenate([np.empty(0, thresholds.FOUND), *inside]))


def batches(pairs: Sequence[Pair], sizes: Iterator[int]) -> list[list[pa.RecordBatch]]:
    """Cut pairs into groups of two batches, of the sizes that come."""
    cut: list[pa.RecordBatch] = []
    while pairs:
        size = next(sizes)
        cut.append(matched(pairs[:size]))
        pairs = pairs[size:]
    return [cut[start : start + 2] for start in range(0, len(cut), 2)] or [[matched([])]]
