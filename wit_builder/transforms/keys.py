"""Beam half of `wit_builder.keys`: groups sort keys, buckets find duplicates, groups hear of their rows."""

from dataclasses import dataclass

import pyarrow as pa

from wit_builder import keys
from wit_builder.matches import Rows
from wit_builder.parts import PartSummary, read_batches, read_table, write_table
from wit_builder.records import DropReason
from wit_builder.segments import index_of, read_segments, segments_path, write_segments
from wit_builder.transforms.exchange import segments_of
from wit_builder.transforms.parts import ROWS_PER_READ, WorkItem


@dataclass
class SortKeys:
    """Sorts the keys of a group of parts into a segment for each bucket of uids."""

    bits: int
    """There are 2^bits buckets."""
    schema: pa.Schema
    """Of the keys."""

    def setup(self) -> None:
        """Nothing to open."""

    def run(self, item: WorkItem) -> PartSummary:
        """Sort one group; its part holds the rows that lost inside the group."""
        batches = read_batches(item.inputs, keys.columns_of(self.schema), ROWS_PER_READ)
        table = keys.keys_of(batches, self.schema)
        segments, lost = keys.divide_keys(table, self.bits)
        return write_lost(item.output, lost, segments, DropReason.DUPLICATE_PAIR, table.num_rows)


@dataclass
class FindDuplicates:
    """Tells the groups which of their rows another row with the same uid represents."""

    folder: str
    """Of the parts of `SortKeys`."""
    groups: int
    schema: pa.Schema
    """Of the keys."""

    def setup(self) -> None:
        """Nothing to open."""

    def run(self, item: WorkItem) -> PartSummary:
        """Look at one bucket; its part is empty, beside it lie the rows of each group."""
        read = read_segments(segments_of(self.folder, self.groups), index_of(item.output))
        bucket = keys.bring_together(read, self.schema)
        return write_told(item.output, bucket.lost, DropReason.DUPLICATE_PAIR, bucket.keys.num_rows)


def write_lost(path: str, lost: Rows, segments: list[bytes], reason: DropReason, rows: int) -> PartSummary:
    """Write what a group of so many rows tells the buckets, and its rows that go already."""
    write_segments(segments_path(path), segments)
    summary = without(rows, len(lost), reason)
    write_table(path, pa.Table.from_arrays([pa.array(lost, pa.int32())], schema=keys.LOST), summary)
    return summary


def write_told(path: str, lost: list[bytes], reason: DropReason, rows: int) -> PartSummary:
    """Write what a bucket of so many rows tells each group: its rows that go."""
    write_segments(segments_path(path), lost)
    summary = without(rows, sum(map(len, lost)) // keys.LOST_BYTES, reason)
    write_table(path, keys.LOST.empty_table(), summary)
    return summary


def without(rows: int, lost: int, reason: DropReason) -> PartSummary:
    """Sum up rows of which some are lost."""
    return PartSummary(rows, rows - lost, {reason.value: lost} if lost else {})


def read_lost(part: str, folder: str, buckets: int) -> Rows:
    """Read the rows that a group loses: those in its part, and those that the buckets name.

    Args:
        part: of the group.
        folder: of the buckets' parts.
        buckets: how many there are.
    """
    already = read_table(part).column("row").to_numpy()
    return keys.lost_rows(read_segments(segments_of(folder, buckets), index_of(part)), already)
