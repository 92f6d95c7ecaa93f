"""Beam half of `wit_builder.shards`: unique images, the cap on them, then one shard a work item."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import apache_beam as beam
import pyarrow as pa

from wit_builder import schemas, storage
from wit_builder.parts import PartSummary, part_path, read_table, write_table
from wit_builder.records import Status
from wit_builder.shards import ShardPlan, apply_cap, bucket_of, drop_duplicate_images, write_shard
from wit_builder.transforms.arrays import SavedArray
from wit_builder.transforms.parts import GatherRows, WorkItem, count_progress
from wit_builder.transforms.passes import MatchSource

IMAGES = "images"
"""Counter of the rows that have an image, in the footers of the unique parts."""

CAPPED_IMAGES = "images_under_cap"
"""The same in the footers of the capped parts."""

FETCHED_MATCHES = MatchSource("selected_query_ids", only=("status", Status.SUCCESS.value))
"""The selections whose image came."""


@dataclass(eq=False)
class DropDuplicateImages(beam.PTransform):
    """PCollection[str] of store indexes -> PCollection[PartSummary]: unique images, bucket by bucket."""

    folder: str
    buckets: int
    seed: int
    missing: frozenset[int]

    def expand(self, indexes: "beam.PCollection[str]") -> "beam.PCollection[PartSummary]":
        """Bring rows of equal images together and keep one of each."""
        by_image = partial(bucket_of, buckets=self.buckets)
        return (
            indexes
            | "By image" >> GatherRows(by_image, self.missing, schemas.FETCHED_IMAGE)
            | "Keep one per image"
            >> beam.ParDo(_WriteUnique(self.folder, self.buckets, self.seed)).with_output_types(PartSummary)
        )


class _WriteUnique(beam.DoFn):
    def __init__(self, folder: str, buckets: int, seed: int) -> None:
        self._folder, self._buckets, self._seed = folder, buckets, seed

    def process(self, element: tuple[int, Iterable[pa.RecordBatch]]) -> Iterator[PartSummary]:
        bucket, batches = element
        rows = pa.Table.from_batches(batches, schemas.FETCHED_IMAGE)
        unique, dropped = drop_duplicate_images(rows, self._seed)
        summary = PartSummary(rows.num_rows, unique.num_rows, dropped, {IMAGES: _images(unique)})
        write_table(part_path(self._folder, bucket, self._buckets), unique, summary)
        count_progress("DropDuplicateImages", summary)
        yield summary


@dataclass
class CapImages:
    """Applies the cap to what was really fetched, where more was selected than the cap."""

    table: SavedArray
    """Last entry of each query."""
    seed: int
    """Of the priorities."""

    def setup(self) -> None:
        """Open the thresholds."""
        self._table = self.table.open()

    def run(self, item: WorkItem) -> PartSummary:
        """Cap one unique part."""
        rows = read_table(item.inputs[0])
        capped, dropped = apply_cap(rows, self._table, self.seed)
        summary = PartSummary(rows.num_rows, capped.num_rows, dropped, {CAPPED_IMAGES: _images(capped)})
        write_table(item.output, capped, summary)
        return summary


def _images(rows: pa.Table) -> int:
    images: int = rows.column("status").to_pylist().count(Status.SUCCESS)
    return images


@dataclass(eq=False)
class WriteShards(beam.PTransform):
    """PCollection[str] of unique parts -> PCollection[PartSummary]: the shards themselves.

    Only index rows are shuffled; image bytes are read from the store by exact range.
    """

    dataset: str
    store: str
    plan: ShardPlan
    missing: frozenset[int]

    def expand(self, parts: "beam.PCollection[str]") -> "beam.PCollection[PartSummary]":
        """Bring the rows of a shard together and write it."""
        return (
            parts
            | "By shard" >> GatherRows(self.plan.shard_of, self.missing, schemas.FETCHED_IMAGE)
            | "Write shard"
            >> beam.ParDo(_WriteShard(self.dataset, self.store, self.plan)).with_output_types(PartSummary)
        )


class _WriteShard(beam.DoFn):
    def __init__(self, dataset: str, store: str, plan: ShardPlan) -> None:
        self._dataset, self._store, self._plan = dataset, store, plan

    def process(self, element: tuple[int, Iterable[pa.RecordBatch]]) -> Iterator[PartSummary]:
        shard, batches = element
        rows = pa.Table.from_batches(batches, schemas.FETCHED_IMAGE)
        summary = write_shard(self._dataset, shard, self._plan, rows, partial(_read_image, self._store))
        count_progress("WriteShards", summary)
        yield summary


def _read_image(store: str, tar: str, offset: int, size: int) -> bytes:
    return storage.read_range(storage.join(store, tar), offset, size)
