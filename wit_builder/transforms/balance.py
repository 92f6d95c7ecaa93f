"""Beam half of `wit_builder.balance`: the work items that find duplicates and select pairs."""

from dataclasses import dataclass

import numpy as np

from wit_builder import keys, schemas, storage
from wit_builder.balance import Rule, select
from wit_builder.balance_state import SeenUids, write_seen
from wit_builder.parts import PartSummary, read_batches, read_summary, write_part, write_table
from wit_builder.records import DropReason
from wit_builder.segments import index_of, read_segments, segments_path, write_segments
from wit_builder.transforms.exchange import segments_of
from wit_builder.transforms.keys import read_lost, without
from wit_builder.transforms.parts import ROWS_PER_READ, WorkItem
from wit_builder.transforms.passes import MatchSource, SavedRule

DISTINCT_MATCHES = MatchSource("matched_query_ids", ("uid_high", "uid_low"))
"""The matches of the parts that `MergeKeys` makes."""


@dataclass
class MergeKeys:
    """Brings the keys of one bucket of uids together and keeps one per uid."""

    folder: str
    """Of the parts of `SortKeys`."""
    groups: int
    seen: SeenUids | None = None
    """Uids that a state has counted."""
    seen_folder: str | None = None
    """Where the state's next uids go."""

    def setup(self) -> None:
        """Nothing to open."""

    def run(self, item: WorkItem) -> PartSummary:
        """Merge one bucket; its part holds the distinct uids and their query ids."""
        bucket = index_of(item.output)
        seen = self.seen.read(item.output) if self.seen else np.empty((0, 2), np.uint64)
        merged = keys.merge_keys(read_segments(segments_of(self.folder, self.groups), bucket), seen)
        if self.seen_folder is not None:
            write_seen(storage.join(self.seen_folder, storage.basename(item.output)), seen, merged.distinct)
        write_segments(segments_path(item.output), merged.lost)
        summary = without(merged.rows, merged.rows - merged.distinct.num_rows, DropReason.DUPLICATE_PAIR)
        write_table(item.output, merged.distinct, summary)
        return summary


@dataclass
class SelectPairs:
    """Keeps, of a group of match parts, the pairs that a query selects."""

    rule: SavedRule
    folder: str
    """Of the parts of `MergeKeys`."""
    buckets: int
    all_rejects: bool

    def setup(self) -> None:
        """Open the thresholds."""
        self._rule: Rule = self.rule.open()

    def run(self, item: WorkItem) -> PartSummary:
        """Select from one group: the first input holds the rows that lost inside it."""
        lost = read_lost(item.inputs[0], self.folder, self.buckets)
        rows = read_batches(item.inputs[1:], rows=ROWS_PER_READ)
        with write_part(item.output, schemas.MATCHED_PAIR, all_rejects=self.all_rejects) as part:
            for batch, mask in keys.mark_lost(rows, lost):
                part.write(*select(batch, self._rule, mask))
        return part.summary()


@dataclass
class CopyPart:
    """Copies a part to another folder."""

    def setup(self) -> None:
        """Nothing to open."""

    def run(self, item: WorkItem) -> PartSummary:
        """Copy the bytes."""
        storage.write_bytes(item.output, storage.read_bytes(item.inputs[0]))
        return read_summary(item.output)
