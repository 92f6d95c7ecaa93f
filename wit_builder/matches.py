"""Matches: which query ids which uids have, as arrays, and their priorities and counts.

A match's priority is a seeded hash of uid and query id, so each query has its own
random order of the pairs, the same on every machine.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wit_builder import schemas
from wit_builder.errors import UserError
from wit_builder.hashing import UInt64s, mix, uid_halves

SLICE = 4_096
"""Counts travel as int64 vectors of so many consecutive cells."""

Ids = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int64]


class Matches(NamedTuple):
    """The m matches of n rows."""

    uids: UInt64s
    """Halves of the rows' uids, shape (n, 2)."""
    rows: Rows
    """Row of each match, ascending, shape (m,)."""
    ids: Ids
    """Query of each match, shape (m,)."""

    def priorities(self, seed: int) -> UInt64s:
        """Hash each match: uint64 of shape (m,), uniform, independent between queries."""
        words: UInt64s = self.uids[self.rows, 0]
        return priorities(words, self.ids, seed)

    def where(self, chosen: npt.NDArray[Any]) -> "Matches":
        """Keep the matches that a mask or indices name."""
        return Matches(self.uids, self.rows[chosen], self.ids[chosen])


def priorities(words: UInt64s, query_ids: Ids, seed: int) -> UInt64s:
    """Hash matches.

    Args:
        words: first halves of the uids, uint64 of shape (m,).
        query_ids: int32 of shape (m,).
        seed: 0 to 2^64 - 1.

    Returns:
        uint64 of shape (m,).
    """
    return mix(words ^ mix(query_ids.astype(np.uint64), seed), seed)


def matches_of(batch: pa.RecordBatch, column: str) -> Matches:
    """Take the matches out of a batch.

    Args:
        batch: n rows with their uid, as text or as halves.
        column: name of a list column of query ids.
    """
    lists = batch.column(column)
    lengths = lists.value_lengths().to_numpy(zero_copy_only=False)
    ids = lists.flatten().to_numpy()
    return Matches(_halves(batch), np.repeat(np.arange(len(lists)), lengths), ids)


def _halves(batch: pa.RecordBatch) -> UInt64s:
    if "uid" in batch.schema.names:
        return uid_halves(batch.column("uid"))
    return np.column_stack([batch.column(name).to_numpy() for name in ("uid_high", "uid_low")])


def rarest(matches: Matches, counts: Counts) -> Matches:
    """Keep one match a row: that of its rarest query, of equally rare ones the smaller id.

    Args:
        matches: of some rows.
        counts: of all queries, int64 of shape (queries,).
    """
    order = np.lexsort((matches.ids, counts[matches.ids], matches.rows))
    rows = matches.rows[order]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = rows[1:] != rows[:-1]
    return matches.where(np.sort(order[first]))


def with_selected(batch: pa.RecordBatch, chosen: Matches) -> tuple[pa.RecordBatch, npt.NDArray[np.bool_]]:
    """Write the chosen matches into selected_query_ids.

    Args:
        batch: n rows with that column.
        chosen: those of their matches that select them.

    Returns:
        The n rows, and which of them nothing selects: bool of shape (n,).
    """
    selected = np.bincount(chosen.rows, minlength=batch.num_rows)
    lists = schemas.id_lists(np.concatenate([[0], np.cumsum(selected)]), chosen.ids)
    position = batch.schema.get_field_index("selected_query_ids")
    return batch.set_column(position, batch.schema.field(position), lists), selected == 0


def require_known(ids: Ids, queries: int) -> Ids:
    """Check that ids are row numbers of the vocabulary.

    Raises:
        UserError: one is not.
    """
    if len(ids) and (ids.max() >= queries or ids.min() < 0):
        raise UserError(
            f"query id {ids.max() if ids.max() >= queries else ids.min()} is not in the vocabulary of "
            f"{queries} queries; match the candidates again with this vocabulary"
        )
    return ids


def count_slices(cells: Iterable[npt.NDArray[np.integer]], size: int) -> Iterator[tuple[int, Counts]]:
    """Count how often each cell occurs, slice by slice.

    Args:
        cells: arrays of numbers from 0 to size - 1, such as query ids.
        size: how many cells there are.

    Yields:
        Slice number and int64 counts of shape (SLICE,), touched slices only.
    """
    totals = np.zeros(math.ceil(size / SLICE) * SLICE, np.int64)
    for numbers in cells:
        np.add.at(totals, numbers, 1)
    for number, counts in enumerate(totals.reshape(-1, SLICE)):
        if counts.any():
            yield number, counts


def join_slices(slices: Iterable[tuple[int, Counts]], size: int) -> Counts:
    """Put summed slices together: int64 of shape (size,)."""
    totals = np.zeros(math.ceil(size / SLICE) * SLICE, np.int64)
    for number, counts in slices:
        totals[number * SLICE : (number + 1) * SLICE] = counts
    return totals[:size]
