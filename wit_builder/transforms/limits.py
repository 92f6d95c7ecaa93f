"""Beam half of `wit_builder.limits`: groups sort entries, buckets find what is over, groups drop it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wit_builder import keys, limits, schemas
from wit_builder.limits import Limit
from wit_builder.matches import Rows
from wit_builder.parts import PartSummary, part_path, read_batches, reasons_by_number, write_part
from wit_builder.records import DropReason
from wit_builder.segments import index_of, read_segments
from wit_builder.transforms.exchange import segments_of
from wit_builder.transforms.keys import read_lost, write_lost, write_told
from wit_builder.transforms.parts import ROWS_PER_READ, WorkItem


@dataclass(frozen=True)
class Outcome:
    """Where a step has written the rows that go, for each group of parts."""

    reason: DropReason
    groups: str
    """Folder of the parts of the groups."""
    buckets: str
    """Folder of the parts of the buckets."""
    count: int
    """Of groups."""
    bits: int
    """There are 2^bits buckets."""

    def rows_of(self, group: int) -> Rows:
        """Read the rows of a group that go, sorted."""
        return read_lost(part_path(self.groups, group, self.count), self.buckets, 1 << self.bits)


@dataclass
class SortEntries:
    """Sorts the entries of a group of parts into a segment for each bucket of keys."""

    limit: Limit
    bits: int
    """There are 2^bits buckets."""
    earlier: tuple[Outcome, ...]
    """What goes already."""

    def setup(self) -> None:
        """Nothing to open."""

    def run(self, item: WorkItem) -> PartSummary:
        """Sort one group; its part holds the rows that go whatever other groups have."""
        lost = np.sort(np.concatenate([np.empty(0, np.int64), *_rows_of(self.earlier, item)]))
        rows = keys.mark_lost(read_batches(item.inputs, limits.READ, ROWS_PER_READ), lost)
        entries = limits.entries_of(rows, self.limit)
        told, over = limits.offer(entries, self.limit.most)
        segments = limits.divide(told, self.bits)
        return write_lost(item.output, over, segments, self.limit.reason, len(entries))


def _rows_of(outcomes: Iterable[Outcome], item: WorkItem) -> list[Rows]:
    return [outcome.rows_of(index_of(item.output)) for outcome in outcomes]


@dataclass
class FindOver:
    """Tells the groups which of their rows are over a limit."""

    limit: Limit
    folder: str
    """Of the parts of `SortEntries`."""
    groups: int

    def setup(self) -> None:
        """Nothing to open."""

    def run(self, item: WorkItem) -> PartSummary:
        """Look at one bucket; its part is empty, beside it lie the rows of each group."""
        files, rows = segments_of(self.folder, self.groups), 0

        def read() -> Iterator[bytes]:
            nonlocal rows
            rows = 0
            for segment in read_segments(files, index_of(item.output)):
                rows += len(segment) // limits.ENTRY.itemsize
                yield segment

        over = limits.rows_over(read, self.limit)
        return write_told(item.output, over, self.limit.reason, rows)


@dataclass
class DropRows:
    """Copies a group of parts without the rows that go: one part, that counts for all of them."""

    outcomes: tuple[Outcome, ...]
    all_rejects: bool

    def setup(self) -> None:
        """Nothing to open."""

    def run(self, item: WorkItem) -> PartSummary:
        """Copy one group."""
        rows = _rows_of(self.outcomes, item)
        reasons = [outcome.reason for outcome in self.outcomes]
        with write_part(item.output, schemas.CANDIDATE, all_rejects=self.all_rejects) as part:
            for path in item.inputs:
                part.follow(path)
            for batch, numbers in _numbered(read_batches(item.inputs, rows=ROWS_PER_READ), rows):
                part.write(batch, reasons_by_number(numbers, reasons))
        return part.summary()


def _numbered(
    batches: Iterable[pa.RecordBatch], lost: list[Rows]
) -> Iterator[tuple[pa.RecordBatch, npt.NDArray[np.int64]]]:
    """Go through a group's rows with the number of the list that each is in, -1 if it is in none."""
    rows = np.concatenate([np.empty(0, np.int64), *lost])
    order = np.argsort(rows)
    rows, lists = rows[order], np.repeat(np.arange(len(lost)), list(map(len, lost)))[order]
    start = 0
    for batch in batches:
        first, last = np.searchsorted(rows, [start, start + batch.num_rows])
        numbers = np.full(batch.num_rows, -1)
        numbers[rows[first:last] - start] = lists[first:last]
        yield batch, numbers
        start += batch.num_rows
