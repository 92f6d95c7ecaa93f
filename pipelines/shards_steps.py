"""The steps of `wit shards`, each a set of work items."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from pipelines.passes import Passes
from pipelines.session import Stage
from wit_builder import keys, schemas, storage
from wit_builder.duplicates import bucket_of
from wit_builder.manifest import read_footers, sum_footers
from wit_builder.near_duplicates import BANDS
from wit_builder.parts import PartSummary, part_path
from wit_builder.records import DropReason
from wit_builder.shard_files import shard_paths
from wit_builder.shards import ShardPlan, ShardRuns
from wit_builder.transforms.exchange import Divided, DivideRows
from wit_builder.transforms.parts import WorkItem
from wit_builder.transforms.shards import (
    FETCHED_MATCHES,
    CapImages,
    CompareHashes,
    DropNearDuplicates,
    KeepOnePerImage,
    OrderRun,
    Rejects,
    RunOfRow,
    WriteShard,
)

_ROWS_PER_ITEM = 200_000
_MOST_ITEMS = 256
_MOST_ROWS_PER_ITEM = 500_000
"""Rows of the index are long, a kilobyte in memory."""

_HASHES_PER_RANGE = 2_000_000
_WORK = ("by-image", "unique", "near", "distinct", "capped", "by-shard", "ordered", "passes")


@dataclass(frozen=True)
class ShardsSteps:
    """What is done in the folder of a stage, in the order of the methods."""

    stage: Stage
    indexes: Sequence[str]
    """Of the store."""
    seed: int
    rejects: Rejects

    @cached_property
    def _rows(self) -> list[int]:
        return [summary.rows_out for summary in read_footers(self.indexes)]

    @cached_property
    def _rows_per_item(self) -> int:
        return max(_ROWS_PER_ITEM, min(_MOST_ROWS_PER_ITEM, sum(self._rows) // _MOST_ITEMS))

    @cached_property
    def _buckets(self) -> int:
        return max(1, -(-sum(self._rows) // self._rows_per_item))

    @cached_property
    def _ranges(self) -> int:
        return max(1, -(-sum(self._rows) // _HASHES_PER_RANGE))

    def _folder(self, name: str) -> str:
        return storage.join(self.stage.output, "work", name)

    def _names(self, folder: str, count: int) -> list[str]:
        return [part_path(self._folder(folder), index, count) for index in range(count)]

    def _same_names(self, parts: Sequence[str], folder: str) -> list[WorkItem]:
        names = self._names(folder, len(parts))
        return [WorkItem((part,), name) for part, name in zip(parts, names, strict=True)]

    def keep_one_per_image(
        self, *, merge_texts: bool, honour_pages: bool, holdout: float, compare: bool
    ) -> list[str]:
        """Drop opted-out rows and exact duplicates; give the parts of what stays."""
        groups = keys.group_parts(self.indexes, self._rows, self._rows_per_item)
        names = self._names("by-image", len(groups))
        items = [WorkItem(group, name) for group, name in zip(groups, names, strict=True)]
        by_image = partial(bucket_of, buckets=self._buckets)
        self.stage.build_parts(
            "Divide rows by image", DivideRows(by_image, self._buckets, schemas.FETCHED_IMAGE), items
        )
        divided = Divided(self._folder("by-image"), len(groups), schemas.FETCHED_IMAGE)
        ranges = self._ranges if compare else 0
        make = KeepOnePerImage(divided, self.seed, merge_texts, honour_pages, holdout, ranges, self.rejects)
        unique = self._names("unique", self._buckets)
        self.stage.build_parts("Keep one per image", make, [WorkItem((), name) for name in unique])
        return unique

    def drop_near_duplicates(self, unique: Sequence[str], *, across: bool) -> tuple[list[str], PartSummary]:
        """Drop near-duplicates; give the parts of what stays, and what was counted on the way.

        Args:
            unique: parts with distinct images.
            across: drop only held-out images, and only for one that is not held out.
        """
        compared = self._names("near", BANDS * self._ranges)
        compare = CompareHashes(self._folder("unique"), len(unique), self._ranges, across)
        self.stage.build_parts("Compare hashes", compare, [WorkItem((), name) for name in compared])
        items = self._same_names(unique, "distinct")
        reason = DropReason.NEAR_TRAINING if across else DropReason.NEAR_DUPLICATE
        drop = DropNearDuplicates(self._folder("near"), self._ranges, reason, self.rejects)
        self.stage.build_parts("Drop near-duplicates", drop, items)
        distinct = [item.output for item in items]
        counted = PartSummary(counters=sum_footers(compared).counters)
        return distinct, sum_footers(distinct) + counted

    def cap(self, parts: Sequence[str], facts: Mapping[str, Any]) -> list[str]:
        """Cap what was fetched: balance selected more, so that failures leave enough.

        Args:
            parts: with distinct images.
            facts: of the balance.
        """
        inputs = [WorkItem((), part) for part in parts]
        seed, cap = facts["balance_seed"], facts["max_pairs_per_query"]
        passes = Passes(self.stage.session, self._folder("passes"), inputs, FETCHED_MATCHES, seed)
        counts = passes.count("Count images", facts["queries"])
        table = passes.save("thresholds", passes.exact_table(counts, cap))
        items = self._same_names(parts, "capped")
        self.stage.build_parts("Apply the cap", CapImages(table, seed, self.rejects), items)
        return [item.output for item in items]

    def write(self, parts: Sequence[str], plan: ShardPlan, store: str, exclude: tuple[str, ...]) -> list[str]:
        """Write the shards; give their sidecars in the order of the plan.

        Args:
            parts: with the rows of all shards.
            plan: of the shards.
            store: folder of the tars.
            exclude: exclude lists.
        """
        runs = ShardRuns(plan.shards, min(plan.shards, self._buckets))
        items = self._same_names(parts, "by-shard")
        divide = DivideRows(RunOfRow(plan, runs), runs.runs, schemas.UNIQUE_IMAGE)
        self.stage.build_parts("Divide rows by shard", divide, items)
        ordered = self._names("ordered", runs.runs)
        divided = Divided(self._folder("by-shard"), len(parts), schemas.UNIQUE_IMAGE)
        self.stage.build_parts(
            "Order rows", OrderRun(divided, plan, runs), [WorkItem((), name) for name in ordered]
        )
        shards = [
            WorkItem((name,), shard_paths(self.stage.output, plan.prefix(shard))["parquet"])
            for run, name in enumerate(ordered)
            for shard in runs.members(run)
        ]
        make = WriteShard(self.stage.output, store, plan, runs, exclude)
        self.stage.build_parts("Write shards", make, shards)
        return [item.output for item in shards]

    def clear(self) -> None:
        """Remove what was only on the way."""
        for folder in _WORK:
            for path in storage.list_dir(self._folder(folder)):
                storage.remove(path)
