"""The steps of a balance, each a set of work items or a small pass."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.passes import Passes
from pipelines.session import Stage
from wit_builder import keys, storage, thresholds
from wit_builder.balance import Mode
from wit_builder.balance_state import Generation, SeenUids
from wit_builder.manifest import read_footers, sum_footers
from wit_builder.matches import Counts
from wit_builder.parts import list_parts, part_path
from wit_builder.thresholds import Entries
from wit_builder.transforms.arrays import SavedArray
from wit_builder.transforms.balance import DISTINCT_MATCHES, CopyPart, MergeKeys, SelectPairs
from wit_builder.transforms.keys import SortKeys
from wit_builder.transforms.parts import WorkItem
from wit_builder.transforms.passes import CountKept, MatchSource, SavedRule

_WORK = ("keys", "distinct", "work")


@dataclass(frozen=True, kw_only=True)
class Cap:
    """How pairs are selected."""

    mode: str
    most: int
    """Matches that a query selects."""
    seed: int
    queries: int
    """Size of the vocabulary."""


@dataclass(frozen=True)
class BalanceSteps:
    """What is done in the folder of a stage, in the order of the methods."""

    stage: Stage
    cap: Cap
    parts: tuple[str, ...]
    """Of the pairs that a state keeps, if there is one, and of the new matches."""
    base: Generation | None
    """The state's generation that the matches are added to."""

    @cached_property
    def rows(self) -> list[int]:
        """Rows of each part."""
        return [footer.rows_out for footer in read_footers(self.parts)]

    @cached_property
    def _groups(self) -> list[tuple[str, ...]]:
        return keys.group_parts(self.parts, self.rows, keys.rows_per_item(sum(self.rows)))

    @cached_property
    def bits(self) -> int:
        """Uids are divided into 2^bits buckets: by what is read, a seen uid being a quarter of a key."""
        rows, before = sum(self.rows), self.base.facts() if self.base else {"seen": 0, "bits": 0}
        bits = keys.bucket_bits(rows + before["seen"] // 4, keys.rows_per_item(rows))
        return max(bits, int(before["bits"]))

    @cached_property
    def _key_items(self) -> list[WorkItem]:
        names = self._names("keys", len(self._groups))
        return [WorkItem(group, name) for group, name in zip(self._groups, names, strict=True)]

    @cached_property
    def outputs(self) -> list[str]:
        """The parts of the output, one a group."""
        return [part_path(self.stage.output, index, len(self._groups)) for index in range(len(self._groups))]

    def _names(self, folder: str, count: int) -> list[str]:
        return [part_path(self._folder(folder), index, count) for index in range(count)]

    def _folder(self, name: str) -> str:
        return storage.join(self.stage.output, name)

    def count_distinct(self, after: Generation | None) -> tuple[Counts, Passes]:
        """Keep one key per uid and count the matches of the uids that are new.

        Args:
            after: the state's next generation, which takes the uids.

        Returns:
            Matches of each query, and further passes over the distinct uids.
        """
        self.stage.build_parts("Sort keys", SortKeys(self.bits, keys.MATCH_KEY), self._key_items)
        items = [WorkItem((), name) for name in self._names("distinct", 1 << self.bits)]
        seen = SeenUids(self.base.seen, self.base.facts()["bits"], self.bits) if self.base else None
        make = MergeKeys(self._folder("keys"), len(self._groups), seen, after.seen if after else None)
        source = replace(DISTINCT_MATCHES, only=("seen", False)) if self.base else DISTINCT_MATCHES
        passes = Passes(self.stage.session, self._folder("work"), items, source, self.cap.seed)
        counts = passes.count("Merge keys", self.cap.queries, make)
        return counts + (self.base.counts() if self.base else 0), passes.of(DISTINCT_MATCHES)

    def find_rule(self, counts: Counts, passes: Passes) -> tuple[SavedRule, Entries]:
        """Find the last match that each query selects.

        Args:
            counts: distinct matches of each query.
            passes: over the distinct uids.
        """
        rarity: SavedArray | None = None
        if self.cap.mode == Mode.PRIMARY:
            rarity = passes.save("rarity", counts)
            source: MatchSource = replace(DISTINCT_MATCHES, rarity=rarity)
            passes = passes.of(source)
            counts = passes.count("Count rarest queries", self.cap.queries)
        if self.cap.mode == Mode.EXPECTED:
            table = thresholds.expected_table(counts, self.cap.most)
        else:
            table = passes.exact_table(counts, self.cap.most)
        return SavedRule(passes.save("thresholds", table), self.cap.seed, rarity), table

    def select(self, rule: SavedRule, all_rejects: bool) -> tuple[Counts, Counts]:
        """Write the output; give the pairs that each query selected, and those that match it."""
        items = [
            WorkItem((keyed.output, *keyed.inputs), name)
            for keyed, name in zip(self._key_items, self.outputs, strict=True)
        ]
        make = SelectPairs(rule, self._folder("distinct"), 1 << self.bits, all_rejects)
        passes = Passes(self.stage.session, self._folder("work"), items, DISTINCT_MATCHES, self.cap.seed)
        selected, kept = np.split(passes.sum("Select pairs", CountKept(self.cap.queries), make), 2)
        return selected, kept

    def remember(self, after: Generation, facts: Mapping[str, Any], report: pa.Table) -> None:
        """Complete the state's next generation and make it the one that counts.

        Args:
            after: the generation.
            facts: what it was made of.
            report: counts and thresholds, in `schemas.QUERY_COUNT`.
        """
        items = [
            WorkItem((part,), storage.join(after.pairs, storage.basename(part))) for part in self.outputs
        ]
        self.stage.build_parts("Keep pairs in the state", CopyPart(), items)
        seen = sum_footers(list_parts(after.seen)).rows_out
        after.write({**facts, "bits": self.bits, "seen": seen}, report)
        after.commit()

    def clear(self) -> None:
        """Remove what was only on the way, and the generation that was replaced."""
        for folder in _WORK:
            for path in storage.list_dir(self._folder(folder)):
                storage.remove(path)
        if self.base:
            self.base.remove()
