"""Rows go from many parts to many buckets through files of segments: a shuffle that memory need not hold."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from wit_builder.parts import PartSummary, part_path, read_batches, write_table
from wit_builder.segments import decode_rows, encode_rows, read_segments, segments_path, write_segments
from wit_builder.transforms.parts import ROWS_PER_READ, BucketOf, WorkItem, split_rows


@dataclass
class DivideRows:
    """Divides the rows of a group of parts: a segment for each bucket."""

    bucket: BucketOf
    buckets: int
    schema: pa.Schema

    def setup(self) -> None:
        """Nothing to open."""

    def run(self, item: WorkItem) -> PartSummary:
        """Divide one group; its part has no rows, it only commits the segments."""
        divided: list[list[pa.RecordBatch]] = [[] for _ in range(self.buckets)]
        total = 0
        for batch in read_batches(item.inputs, rows=ROWS_PER_READ):
            total += batch.num_rows
            for bucket, rows in split_rows(batch, self.bucket(batch)):
                divided[bucket].append(rows)
        segments = [encode_rows(pa.Table.from_batches(rows, self.schema)) for rows in divided]
        write_segments(segments_path(item.output), segments)
        summary = PartSummary(total, total)
        write_table(item.output, self.schema.empty_table(), summary)
        return summary


@dataclass(frozen=True)
class Divided:
    """Where `DivideRows` has put the rows."""

    folder: str
    groups: int
    schema: pa.Schema

    def rows(self, bucket: int) -> pa.Table:
        """Bring the rows of a bucket together."""
        segments = read_segments(segments_of(self.folder, self.groups), bucket)
        return pa.concat_tables([decode_rows(segment, self.schema) for segment in segments])


def segments_of(folder: str, parts: int) -> Sequence[str]:
    """Name the files of segments beside the parts of a folder."""
    return [segments_path(part_path(folder, index, parts)) for index in range(parts)]
