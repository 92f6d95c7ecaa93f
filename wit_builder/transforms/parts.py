"""Work items: one output part each, a pure function of named inputs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from apache_beam.metrics import Metrics

from wit_builder import storage
from wit_builder.parts import PartSummary, read_batches, read_summary
from wit_builder.transforms import coders  # noqa: F401 - registers the coder of record batches

ROWS_PER_READ = 10_000
"""Rows read at once where columns are few or rows only pass."""

BucketOf = Callable[[pa.RecordBatch], npt.NDArray[np.int64]]
"""Gives each row of a batch its bucket: int64 of shape (n,). Picklable."""


@dataclass(frozen=True)
class WorkItem:
    """One part to make."""

    inputs: tuple[str, ...]
    output: str
    start: int = 0
    """First byte of the input to take up."""
    end: int | None = None
    """Byte of the input to stop before; None takes it to its end."""


class MakePart(Protocol):
    """Makes parts in a worker: picklable, small, opens what it needs in `setup`."""

    def setup(self) -> None:
        """Open artifacts, once a worker."""

    def run(self, item: WorkItem) -> PartSummary:
        """Make one part and commit it."""


@dataclass(eq=False)
class BuildParts(beam.PTransform):
    """PCollection[WorkItem] -> PCollection[PartSummary]: each item made on some worker."""

    make: MakePart

    def expand(self, items: "beam.PCollection[WorkItem]") -> "beam.PCollection[PartSummary]":
        """Spread the items over the workers and make them."""
        return (
            items
            | "Spread" >> beam.Reshuffle()
            | "Make part" >> beam.ParDo(_MakePart(self.make)).with_output_types(PartSummary)
        )


class _MakePart(beam.DoFn):
    def __init__(self, make: MakePart) -> None:
        self._make = make

    def setup(self) -> None:
        self._make.setup()

    def process(self, item: WorkItem) -> Iterator[PartSummary]:
        committed = storage.exists(item.output)  # a runner may ask again for what is done
        summary = read_summary(item.output) if committed else self._make.run(item)
        count_progress(type(self._make).__name__, summary)
        yield summary


def count_progress(stage: str, summary: PartSummary) -> None:
    """Add a part to Beam's counters: live progress, not truth (retries repeat)."""
    Metrics.counter(stage, "rows_in").inc(summary.rows_in)
    Metrics.counter(stage, "rows_out").inc(summary.rows_out)
    for reason, rows in summary.dropped.items():
        Metrics.counter(stage, f"dropped_{reason}").inc(rows)


@dataclass(eq=False)
class GatherRows(beam.PTransform):
    """PCollection[str] of parts -> PCollection[tuple[int, Iterable[RecordBatch]]]: rows by bucket.

    The one shuffle of rows there is. A bucket is bounded: some hundred thousand rows
    of a hash range, never all rows of a query, a host or a label. Each bucket in
    `missing` arrives, also one without rows; rows of other buckets stay behind.
    """

    bucket: BucketOf
    missing: frozenset[int]
    schema: pa.Schema

    def expand(self, parts: "beam.PCollection[str]") -> "beam.PCollection[Any]":
        """Read, divide and gather."""
        rows = (
            parts
            | "Spread" >> beam.Reshuffle()
            | "Divide rows" >> beam.ParDo(_DivideRows(self.bucket, self.missing))
        )
        nothing = pa.RecordBatch.from_pylist([], self.schema)
        markers = parts.pipeline | "Mark buckets" >> beam.Create(
            [(bucket, nothing) for bucket in sorted(self.missing)]
        ).with_output_types(tuple[int, pa.RecordBatch])
        return (rows, markers) | "Join" >> beam.Flatten() | "Gather" >> beam.GroupByKey()


class _DivideRows(beam.DoFn):
    def __init__(self, bucket: BucketOf, missing: frozenset[int]) -> None:
        self._bucket = bucket
        self._missing = missing

    def process(self, path: str) -> Iterator[tuple[int, pa.RecordBatch]]:
        for batch in read_batches([path], rows=ROWS_PER_READ):
            for bucket, rows in split_rows(batch, self._bucket(batch)):
                if bucket in self._missing:
                    yield bucket, rows


def split_rows(batch: pa.RecordBatch, keys: npt.NDArray[np.int64]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Divide a batch's rows by key, for a shuffle.

    Args:
        batch: n rows.
        keys: int64 of shape (n,).
    """
    order = np.argsort(keys, kind="stable")
    values, starts = np.unique(keys[order], return_index=True)
    batch = batch.take(pa.array(order))
    lengths = np.diff(starts, append=len(order))
    for key, start, length in zip(values.tolist(), starts.tolist(), lengths.tolist(), strict=False):
        yield key, batch.slice(start, length)  # of no rows there are no keys, but one length
