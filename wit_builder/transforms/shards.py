"""Beam half of `wit_builder.shards`: the work items that make distinct images, and shards of them."""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from operator import itemgetter

import numpy as np
import pyarrow as pa

from wit_builder import near_duplicates, schemas, storage
from wit_builder.duplicates import keep_one_per_image, with_reason
from wit_builder.exclude import ExcludeList
from wit_builder.near_duplicates import BANDS
from wit_builder.parts import PartSummary, read_group, read_table, write_groups, write_rejects, write_table
from wit_builder.ranges import read_pieces
from wit_builder.records import DropReason, Status
from wit_builder.segments import index_of, read_segments, segments_path, write_segments
from wit_builder.shard_files import are_samples
from wit_builder.shards import ShardPlan, ShardRuns, apply_cap, are_held_out, shard_of, write_shard
from wit_builder.transforms.arrays import SavedArray
from wit_builder.transforms.exchange import Divided, segments_of
from wit_builder.transforms.parts import WorkItem
from wit_builder.transforms.passes import MatchSource

UNIQUE, DISTINCT, CAPPED = "unique_images", "distinct_images", "images_under_cap"
"""Counters of the rows that have an image, in the footers of the parts of each step."""

FETCHED_MATCHES = MatchSource("selected_query_ids", only=("status", Status.SUCCESS.value))
"""The selections whose image came."""


@dataclass(frozen=True)
class Rejects:
    """Where the rows go that a step drops."""

    folder: str
    all: bool

    def commit(self, item: WorkItem, kept: pa.Table, rejected: pa.Table, counter: str) -> PartSummary:
        """Write what a step made of a bucket, first the rejected rows, and count both.

        Args:
            item: the step's; its output is committed.
            kept: rows that stay.
            rejected: the others, with their `drop_reason`.
            counter: name for the number of images among those that stay.
        """
        step, _, name = item.output.rpartition("/")
        path = storage.join(self.folder, f"{storage.basename(step)}-{name}")
        write_rejects(path, rejected, all_rejects=self.all)
        reasons = rejected.column("drop_reason").value_counts().to_pylist()
        dropped = {entry["values"]: entry["counts"] for entry in sorted(reasons, key=itemgetter("values"))}
        rows = kept.num_rows + rejected.num_rows
        summary = PartSummary(rows, kept.num_rows, dropped, {counter: int(are_samples(kept).sum())})
        write_table(item.output, kept, summary)
        return summary


@dataclass
class KeepOnePerImage:
    """Brings equal images together and keeps one of each; cuts their hashes for comparison."""

    divided: Divided
    seed: int
    merge_texts: bool
    honour_pages: bool
    """A pair goes whose page opts out."""
    holdout_share: float
    ranges: int
    """Parts that the values of a band are cut into; 0: hashes are not compared."""
    rejects: Rejects

    def setup(self) -> None:
        """Nothing to open."""

    def run(self, item: WorkItem) -> PartSummary:
        """Make one bucket's part."""
        rows = self.divided.rows(index_of(item.output))
        unique, rejected = keep_one_per_image(
            rows, self.seed, merge_texts=self.merge_texts, honour_pages=self.honour_pages
        )
        if self.ranges:
            held = are_held_out(unique.column("uid"), self.holdout_share, self.seed)
            keys = near_duplicates.keys_of(unique, held, self.seed)
            write_segments(segments_path(item.output), near_duplicates.divide(keys, self.ranges))
        return self.rejects.commit(item, unique, rejected, UNIQUE)


@dataclass
class CompareHashes:
    """Finds the images that go, of those that share a value of a band: an item a band and range."""

    folder: str
    """Of the parts of `KeepOnePerImage`."""
    buckets: int
    ranges: int
    across: bool
    """Only held-out images go, and only for one that is not."""

    def setup(self) -> None:
        """Nothing to open."""

    def run(self, item: WorkItem) -> PartSummary:
        """Compare; a segment for each bucket holds the rows that go."""
        index = index_of(item.output)
        segments = read_segments(segments_of(self.folder, self.buckets), index)
        keys = [np.frombuffer(segment, near_duplicates.KEY) for segment in segments]
        buckets = np.repeat(np.arange(len(keys)), list(map(len, keys)))
        images = np.concatenate(keys)
        found = near_duplicates.compare(images, index // self.ranges, across=self.across)
        lost = [images["row"][found.lost[buckets[found.lost] == bucket]] for bucket in range(len(keys))]
        write_segments(segments_path(item.output), [rows.astype("<i4").tobytes() for rows in lost])
        counters = {"full_hash_buckets": found.full_buckets, "in_full_hash_buckets": found.in_full_buckets}
        summary = PartSummary(counters=counters)
        write_table(item.output, pa.table({}), summary)
        return summary


@dataclass
class DropNearDuplicates:
    """Drops the rows of a bucket that went in some band."""

    folder: str
    """Of the parts of `CompareHashes`."""
    ranges: int
    reason: DropReason
    rejects: Rejects

    def setup(self) -> None:
        """Nothing to open."""

    def run(self, item: WorkItem) -> PartSummary:
        """Make one bucket's part."""
        rows = read_table(item.inputs[0])
        segments = read_segments(segments_of(self.folder, BANDS * self.ranges), index_of(item.output))
        stays = np.ones(rows.num_rows, dtype=bool)
        for segment in segments:
            stays[np.frombuffer(segment, "<i4")] = False
        rejected = with_reason(rows.filter(pa.array(~stays)), self.reason)
        return self.rejects.commit(item, rows.filter(pa.array(stays)), rejected, DISTINCT)


@dataclass
class CapImages:
    """Applies the cap to what was really fetched, where more was selected than the cap."""

    table: SavedArray
    """Last entry of each query."""
    seed: int
    """Of the priorities."""
    rejects: Rejects

    def setup(self) -> None:
        """Open the thresholds."""
        self._table = self.table.open()

    def run(self, item: WorkItem) -> PartSummary:
        """Cap one part."""
        rows = read_table(item.inputs[0])
        capped, over = apply_cap(rows, self._table, self.seed)
        return self.rejects.commit(item, capped, with_reason(over, DropReason.OVER_CAP), CAPPED)


@dataclass(frozen=True)
class RunOfRow:
    """Gives each row the run of its shard."""

    plan: ShardPlan
    runs: ShardRuns

    def __call__(self, batch: pa.RecordBatch) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
        """Give the run of each of n rows: int64 of shape (n,)."""
        return self.runs.run_of(self.plan.assign(batch.column("uid"))[0])


@dataclass
class OrderRun:
    """Puts the rows of a run of shards into their order: a row group a shard."""

    divided: Divided
    plan: ShardPlan
    runs: ShardRuns

    def setup(self) -> None:
        """Nothing to open."""

    def run(self, item: WorkItem) -> PartSummary:
        """Order one run."""
        run = index_of(item.output)
        rows, shards = self.plan.in_order(self.divided.rows(run))
        members = self.runs.members(run)
        edges = np.searchsorted(shards, [*members, members.stop]).tolist()
        groups = [rows.slice(first, last - first) for first, last in pairwise(edges)]
        summary = PartSummary(rows.num_rows, rows.num_rows)
        write_groups(item.output, groups, schemas.UNIQUE_IMAGE, summary)
        return summary


@dataclass
class WriteShard:
    """Writes shards: index rows from the ordered run, images from the store by exact range."""

    dataset: str
    store: str
    plan: ShardPlan
    runs: ShardRuns
    exclude: tuple[str, ...]
    """Exclude lists."""

    def setup(self) -> None:
        """Read the exclude lists."""
        self._exclude = ExcludeList.read(self.exclude)

    def run(self, item: WorkItem) -> PartSummary:
        """Write one shard."""
        shard = shard_of(item.output, self.plan)
        members = self.runs.members(index_of(item.inputs[0]))
        rows = read_group(item.inputs[0], members.index(shard))
        return write_shard(
            self.dataset, shard, self.plan, rows, partial(read_pieces, self.store), self._exclude
        )
