"""Add up what workers counted, key by key, and write down what is frequent."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wit_builder import schemas
from wit_builder.parts import PartSummary, part_path, write_table
from wit_builder.records import DropReason
from wit_builder.transforms.parts import count_progress, split_rows

_ROWS_BEFORE_SUM = 1_000_000


class Spell(Protocol):
    """Gives keys their texts: picklable, opens what it needs in `setup`."""

    def setup(self) -> None:
        """Open artifacts, once a worker."""

    def texts(self, keys: pa.Array) -> pa.Array:
        """Write keys as strings."""


class Plain:
    """Keys that are texts already."""

    def setup(self) -> None:
        """Nothing to open."""

    def texts(self, keys: pa.Array) -> pa.Array:
        """Give the keys."""
        return keys


@dataclass(eq=False)
class SumFrequent(beam.PTransform):
    """PCollection[tuple[int, RecordBatch]] -> PCollection[PartSummary]: frequent keys, a part a bucket.

    The batches have the columns key and count, of the bucket's keys. Each worker adds up
    its own before anything is shuffled.
    """

    folder: str
    buckets: int
    min_count: int
    spell: Spell

    def expand(
        self, counts: "beam.PCollection[tuple[int, pa.RecordBatch]]"
    ) -> "beam.PCollection[PartSummary]":
        """Add up and write."""
        write = _WriteFrequent(self.folder, self.buckets, self.min_count, self.spell)
        return (
            counts
            | "Add up" >> beam.CombinePerKey(_AddCounts())
            | "Keep frequent" >> beam.ParDo(write).with_output_types(PartSummary)
        )


def divide_counts(
    keys: pa.Array, counts: pa.Array, buckets_of: npt.NDArray[np.int64], missing: Iterable[int]
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Divide counts by bucket.

    Args:
        keys: of n things.
        counts: int64 of n.
        buckets_of: the bucket of each, int64 of shape (n,).
        missing: buckets to give; each one comes, also one without keys.
    """
    rows = pa.RecordBatch.from_arrays([keys, counts], ["key", "count"])
    divided = dict(split_rows(rows, buckets_of))
    nothing = rows.slice(0, 0)
    for bucket in missing:
        yield bucket, divided.get(bucket, nothing)


class _Counts:
    """Counts of one bucket that came so far; adds them up when they have doubled."""

    def __init__(self) -> None:
        self._batches: list[pa.RecordBatch] = []
        self._rows = 0
        self._summed = 0

    def add(self, batches: Iterable[pa.RecordBatch]) -> None:
        for batch in batches:
            self._batches.append(batch)
            self._rows += batch.num_rows
        if self._rows > max(_ROWS_BEFORE_SUM, 2 * self._summed):
            self.sum()

    def sum(self) -> list[pa.RecordBatch]:
        if len(self._batches) > 1:
            sums = pa.Table.from_batches(self._batches).group_by("key").aggregate([("count", "sum")])
            rows = sums.select(["key", "count_sum"]).rename_columns(["key", "count"]).combine_chunks()
            self._batches = rows.to_batches() or self._batches[:1]
            self._rows = self._summed = rows.num_rows
        return self._batches


class _AddCounts(beam.CombineFn):
    def create_accumulator(self) -> _Counts:
        return _Counts()

    def add_input(self, counts: _Counts, batch: pa.RecordBatch) -> _Counts:
        counts.add([batch])
        return counts

    def merge_accumulators(self, accumulators: Iterable[_Counts]) -> _Counts:
        merged = _Counts()
        for counts in accumulators:
            merged.add(counts.sum())
        return merged

    def compact(self, counts: _Counts) -> _Counts:
        counts.sum()
        return counts

    def extract_output(self, counts: _Counts) -> pa.RecordBatch:
        return counts.sum()[0]


class _WriteFrequent(beam.DoFn):
    def __init__(self, folder: str, buckets: int, min_count: int, spell: Spell) -> None:
        self._folder, self._buckets, self._min_count, self._spell = folder, buckets, min_count, spell

    def setup(self) -> None:
        self._spell.setup()

    def process(self, element: tuple[int, pa.RecordBatch]) -> Iterator[PartSummary]:
        bucket, sums = element
        kept = sums.filter(pc.greater_equal(sums.column("count"), self._min_count))
        texts = self._spell.texts(kept.column("key"))
        rows = pa.Table.from_arrays([texts, kept.column("count")], schema=schemas.NGRAM).sort_by("text")
        rare = sums.num_rows - rows.num_rows
        summary = PartSummary(sums.num_rows, rows.num_rows, {DropReason.RARE.value: rare} if rare else {})
        write_table(part_path(self._folder, bucket, self._buckets), rows, summary)
        count_progress("SumFrequent", summary)
        yield summary
