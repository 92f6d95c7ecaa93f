"""Beam half of `wit_builder.balance`: four small passes over one threshold table."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

import apache_beam as beam
import numpy as np
import pyarrow as pa

from wit_builder import balance, schemas
from wit_builder.parts import PartSummary, part_path, read_batches, write_part
from wit_builder.records import DropReason
from wit_builder.transforms.arrays import SavedArray
from wit_builder.transforms.parts import ROWS_PER_READ, GatherRows, WorkItem, count_progress


@dataclass(eq=False)
class DeduplicatePairs(beam.PTransform):
    """PCollection[str] of match parts -> PCollection[PartSummary]: distinct uids, bucket by bucket.

    A bucket is a bounded slice of the uids and becomes one part of `folder`.
    """

    folder: str
    buckets: int
    missing: frozenset[int]

    def expand(self, parts: "beam.PCollection[str]") -> "beam.PCollection[PartSummary]":
        """Bring rows of equal uid together and keep one of each."""
        by_uid = partial(balance.uid_bucket, buckets=self.buckets)
        return (
            parts
            | "By uid" >> GatherRows(by_uid, self.missing, schemas.MATCHED_PAIR)
            | "Keep one per uid"
            >> beam.ParDo(_WriteDistinct(self.folder, self.buckets)).with_output_types(PartSummary)
        )


class _WriteDistinct(beam.DoFn):
    def __init__(self, folder: str, buckets: int) -> None:
        self._folder = folder
        self._buckets = buckets

    def process(self, element: tuple[int, Iterable[pa.RecordBatch]]) -> Iterator[PartSummary]:
        bucket, batches = element
        rows, duplicates = balance.deduplicate(batches)
        with write_part(part_path(self._folder, bucket, self._buckets), schemas.MATCHED_PAIR) as part:
            for batch in rows.to_batches(ROWS_PER_READ):
                part.write(batch)
            part.drop(DropReason.DUPLICATE_PAIR, duplicates)
        count_progress("DeduplicatePairs", part.summary())
        yield part.summary()


@dataclass(eq=False)
class CountQueries(beam.PTransform):
    """PCollection[str] of parts -> PCollection[tuple[int, Counts]]: matches per query, by slice."""

    column: str
    queries: int

    def expand(self, parts: "beam.PCollection[str]") -> "beam.PCollection[tuple[int, balance.Counts]]":
        """Count each part, then add up slice by slice: no match is shuffled."""
        return (
            parts
            | "Spread" >> beam.Reshuffle()
            | "Count part" >> beam.FlatMap(_count_part, self.column, self.queries)
            | "Add slices" >> beam.CombinePerKey(_add_counts)
        )


def _count_part(path: str, column: str, queries: int) -> Iterator[tuple[int, balance.Counts]]:
    return balance.count_slices(read_batches([path], [column], ROWS_PER_READ), column, queries)


def _add_counts(vectors: Iterable[balance.Counts]) -> balance.Counts:
    total = np.zeros(balance.SLICE, np.int64)
    for vector in vectors:
        total += vector
    return total


@dataclass(eq=False)
class FindThresholds(beam.PTransform):
    """PCollection[str] of distinct parts -> PCollection[tuple[int, Entries]].

    For each head query the last entry that it selects, or none if the limit let too
    few through to know.
    """

    limits: SavedArray
    """uint64 per query, 0 for a query that needs no threshold."""
    cap: int
    seed: int

    def expand(self, parts: "beam.PCollection[str]") -> "beam.PCollection[tuple[int, balance.Entries]]":
        """Take the smallest of each part, then the smallest of those."""
        return (
            parts
            | "Spread" >> beam.Reshuffle()
            | "Smallest of part" >> beam.ParDo(_SmallestOfPart(self.limits, self.cap, self.seed))
            | "Smallest of all" >> beam.CombinePerKey(_BottomK(self.cap))
            | "Last selected" >> beam.Map(_last_selected, self.cap)
        )


def _last_selected(smallest: tuple[int, balance.Entries], cap: int) -> tuple[int, balance.Entries]:
    query_id, entries = smallest
    return query_id, entries[cap - 1 : cap]


class _SmallestOfPart(beam.DoFn):
    def __init__(self, limits: SavedArray, cap: int, seed: int) -> None:
        self._saved, self._cap, self._seed = limits, cap, seed

    def setup(self) -> None:
        self._limits = self._saved.open()

    def process(self, path: str) -> Iterator[tuple[int, balance.Entries]]:
        batches = read_batches([path], ["uid", "matched_query_ids"], ROWS_PER_READ)
        yield from balance.smallest_by_query(batches, self._limits, self._cap, self._seed)


class _BottomK(beam.CombineFn):
    def __init__(self, k: int) -> None:
        self._k = k

    def create_accumulator(self) -> balance.Entries:
        return np.empty(0, balance.ENTRY)

    def add_input(self, accumulator: balance.Entries, entries: balance.Entries) -> balance.Entries:
        return balance.bottom_k(np.concatenate([accumulator, entries]), self._k)

    def merge_accumulators(self, accumulators: Iterable[balance.Entries]) -> balance.Entries:
        return balance.bottom_k(np.concatenate(list(accumulators)), self._k)

    def extract_output(self, accumulator: balance.Entries) -> balance.Entries:
        return accumulator


@dataclass
class SelectPairs:
    """Keeps the pairs that a query selects by the threshold table."""

    table: SavedArray
    seed: int
    all_rejects: bool
    _table: balance.Entries | None = field(default=None, init=False)

    def setup(self) -> None:
        """Open the threshold table."""
        self._table = self.table.open()

    def run(self, item: WorkItem) -> PartSummary:
        """Select from one part."""
        assert self._table is not None, "setup comes first"
        with write_part(item.output, schemas.MATCHED_PAIR, all_rejects=self.all_rejects) as part:
            for batch in read_batches(item.inputs, rows=ROWS_PER_READ):
                part.write(*balance.select(batch, self._table, self.seed))
        return part.summary()
