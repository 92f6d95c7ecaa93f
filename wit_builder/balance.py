"""Balance: at most `cap` pairs per query, exact and repeatable.

Every (pair, query) match has a priority, a seeded hash of uid and query id. A
query selects its `cap` matches of smallest (priority, uid); a pair that any query
selects is kept. So a query with no more than `cap` matches selects them all, and
the table of thresholds, one row a query, is all that a worker needs to decide.

Source of the cap: CLIP (Radford et al. 2021), section 2.2; its effect on head and
tail: MetaCLIP (Xu et al. 2024), section 3.
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wit_builder import schemas
from wit_builder.errors import UserError
from wit_builder.hashing import UInt64s, mix, uid_halves, uid_words
from wit_builder.parts import reasons_where
from wit_builder.records import DropReason

SLICE = 4_096
"""Counts travel as int64 vectors of so many consecutive query ids."""

ENTRY = np.dtype([("priority", "<u8"), ("uid_high", "<u8"), ("uid_low", "<u8")])
"""One match, in the order in which a query prefers matches."""

EVERYTHING = np.uint64(0xFFFFFFFFFFFFFFFF)

_ORDER_OF_REPRESENTATIVES = ("uid", "page_url", "text_source", "archive", "archive_offset")

Ids = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]
Entries = npt.NDArray[np.void]


def uid_bucket(batch: pa.RecordBatch, buckets: int) -> npt.NDArray[np.int64]:
    """Group rows so that equal uids meet: int64 of shape (n,), 0 to buckets - 1."""
    return (uid_words(batch.column("uid")) % np.uint64(buckets)).astype(np.int64)


def deduplicate(batches: Iterable[pa.RecordBatch]) -> tuple[pa.Table, int]:
    """Keep one row per uid: the one with the smallest (page_url, text_source).

    Args:
        batches: rows in `schemas.MATCHED_PAIR`, a bounded number.

    Returns:
        The rows that stay, sorted by uid, and how many were dropped.
    """
    table = pa.Table.from_batches(batches, schemas.MATCHED_PAIR)
    table = table.sort_by([(name, "ascending") for name in _ORDER_OF_REPRESENTATIVES])
    halves = uid_halves(table.column("uid"))
    first = np.ones(table.num_rows, dtype=bool)
    first[1:] = (halves[1:] != halves[:-1]).any(axis=1)
    return table.filter(pa.array(first)), int((~first).sum())


def entries_of(batch: pa.RecordBatch, column: str) -> tuple[npt.NDArray[np.int64], Ids]:
    """Flatten a column of query ids.

    Returns:
        Row number (int64) and query id (int32) of each of the m matches.
    """
    lists = batch.column(column)
    lengths = lists.value_lengths().to_numpy(zero_copy_only=False)
    return np.repeat(np.arange(len(lists)), lengths), lists.flatten().to_numpy()


def priorities(words: UInt64s, query_ids: Ids, seed: int) -> UInt64s:
    """Hash each match.

    Args:
        words: first halves of the uids, uint64 of shape (m,).
        query_ids: int32 of shape (m,).
        seed: 0 to 2^64 - 1.

    Returns:
        uint64 of shape (m,), uniform, independent between queries.
    """
    return mix(words ^ mix(query_ids.astype(np.uint64), seed), seed)


def count_slices(
    batches: Iterable[pa.RecordBatch], column: str, queries: int
) -> Iterator[tuple[int, Counts]]:
    """Count the matches of each query, slice by slice of the vocabulary.

    Args:
        batches: rows with a list column of query ids.
        column: its name.
        queries: size of the vocabulary.

    Yields:
        Slice number and int64 counts of shape (SLICE,), touched slices only.

    Raises:
        UserError: an id is not in the vocabulary.
    """
    totals = np.zeros(math.ceil(queries / SLICE) * SLICE, np.int64)
    for batch in batches:
        _, ids = entries_of(batch, column)
        if len(ids) and (ids.max() >= queries or ids.min() < 0):
            raise UserError(
                f"query id {ids.max() if ids.max() >= queries else ids.min()} is not in the vocabulary of "
                f"{queries} queries; match the candidates again with this vocabulary"
            )
        totals += np.bincount(ids, minlength=len(totals))
    for number, counts in enumerate(totals.reshape(-1, SLICE)):
        if counts.any():
            yield number, counts


def join_slices(slices: Iterable[tuple[int, Counts]], queries: int) -> Counts:
    """Put summed slices together: int64 of shape (queries,)."""
    totals = np.zeros(math.ceil(queries / SLICE) * SLICE, np.int64)
    for number, counts in slices:
        totals[number * SLICE : (number + 1) * SLICE] = counts
    return totals[:queries]


def sampling_limits(counts: Counts, cap: int) -> UInt64s:
    """Bound the priorities that can matter to each query's threshold.

    A head query's `cap` smallest priorities lie below (cap + 8 sqrt(cap) + 40) / count
    of the hash range but for a chance under 1e-12 (eight standard deviations); a
    tail query needs no threshold, so its limit is 0.

    Returns:
        uint64 of shape (queries,).
    """
    limits = np.zeros(len(counts), np.uint64)
    head = counts > cap
    share = np.minimum(1.0, (cap + 8 * math.sqrt(cap) + 40) / counts[head])
    limits[head] = (share * float(2**53)).astype(np.uint64) << np.uint64(11)
    limits[head & (limits == 0)] = EVERYTHING  # share 1 wraps to 0
    return limits


def smallest_by_query(
    batches: Iterable[pa.RecordBatch], limits: UInt64s, cap: int, seed: int
) -> Iterator[tuple[int, Entries]]:
    """List, for each head query, the matches of some rows that can be among its `cap` smallest.

    Args:
        batches: rows in `schemas.MATCHED_PAIR` with distinct uids.
        limits: of `sampling_limits`.
        cap: matches to keep per query.
        seed: of the priorities.

    Yields:
        Query id and at most `cap` sorted entries.
    """
    ids_seen: list[Ids] = []
    entries_seen: list[Entries] = []
    for batch in batches:
        rows, ids = entries_of(batch, "matched_query_ids")
        halves = uid_halves(batch.column("uid"))
        priority = priorities(halves[rows, 0], ids, seed)
        near = priority < limits[ids]
        near |= limits[ids] == EVERYTHING
        rows, ids = rows[near], ids[near]
        entries = np.empty(len(ids), ENTRY)
        entries["priority"] = priority[near]
        entries["uid_high"], entries["uid_low"] = halves[rows, 0], halves[rows, 1]
        ids_seen.append(ids)
        entries_seen.append(entries)
    if not sum(map(len, ids_seen)):
        return
    ids = np.concatenate(ids_seen)
    order = np.argsort(ids, kind="stable")
    ids, entries = ids[order], np.concatenate(entries_seen)[order]
    starts = np.flatnonzero(np.diff(ids, prepend=-1))
    for start, group in zip(starts, np.split(entries, starts[1:]), strict=True):
        yield int(ids[start]), bottom_k(group, cap)


def bottom_k(entries: Entries, k: int) -> Entries:
    """Give the k smallest entries, sorted."""
    order = np.lexsort((entries["uid_low"], entries["uid_high"], entries["priority"]))
    return entries[order[:k]]


def threshold_table(queries: int, last_selected: Iterable[tuple[int, Entries]]) -> Entries:
    """Make the table that decides: the last entry that each query selects.

    Args:
        queries: size of the vocabulary.
        last_selected: head queries and their one entry of rank `cap`.

    Returns:
        ENTRY array of shape (queries,); a tail query's row is all ones: it selects everything.
    """
    table = np.full(queries, np.array((EVERYTHING, EVERYTHING, EVERYTHING), ENTRY))
    for query_id, entry in last_selected:
        table[query_id] = entry
    return table


def select(batch: pa.RecordBatch, table: Entries, seed: int) -> tuple[pa.RecordBatch, pa.Array]:
    """Choose the pairs that at least one query selects.

    Args:
        batch: n rows in `schemas.MATCHED_PAIR`.
        table: of `threshold_table`.
        seed: of the priorities.

    Returns:
        The n rows with their selected_query_ids, and n reasons to drop:
        "over_cap", or null where a query selects the pair.
    """
    rows, ids = entries_of(batch, "matched_query_ids")
    halves = uid_halves(batch.column("uid"))
    high, low = halves[rows, 0], halves[rows, 1]
    priority, last = priorities(high, ids, seed), table[ids]
    same_priority = priority == last["priority"]
    same_high = high == last["uid_high"]
    chosen = (priority < last["priority"]) | (
        same_priority & ((high < last["uid_high"]) | (same_high & (low <= last["uid_low"])))
    )
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows[chosen], minlength=batch.num_rows))])
    selected = schemas.id_lists(offsets, ids[chosen])
    position = batch.schema.get_field_index("selected_query_ids")
    pairs = batch.set_column(position, batch.schema.field(position), selected)
    return pairs, reasons_where(np.diff(offsets) == 0, DropReason.OVER_CAP)


def query_counts(matches: Counts, selected: Counts, kept: Counts, table: Entries) -> pa.Table:
    """Report what balance did to each query, in `schemas.QUERY_COUNT`.

    Args:
        matches: distinct pairs that match each query, int64 of shape (queries,).
        selected: pairs that each query selected.
        kept: pairs in the output that match it.
        table: of `threshold_table`.
    """
    columns = [np.arange(len(matches), dtype=np.int32), matches, selected, kept, table["priority"]]
    return pa.Table.from_arrays([pa.array(column) for column in columns], schema=schemas.QUERY_COUNT)
