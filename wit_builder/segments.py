"""A file of segments, each read alone: how sorted data goes from many writers to many readers.

Every writer makes one file with a segment for each reader; a reader takes its
segment of every file by exact range. So two sets of work items exchange data through
files, without a shuffle that would hold it in memory.

The file begins with int64 offsets, little-endian, one more than there are segments;
the segments follow. A segment of rows is an Arrow IPC stream, zstd; of no rows no bytes.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from wit_builder import storage

_OFFSET_BYTES = 8
_READERS = 16
"""A segment of an object store takes tens of milliseconds, nearly all of it waiting."""

_IPC = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", 1))


def segments_path(part: str) -> str:
    """Name the file of segments beside a part; it is written first, the part commits it."""
    return part.removesuffix(".parquet") + ".segments"


def index_of(part: str) -> int:
    """Give the index in a part's name, part-SSSSS-of-NNNNN.parquet."""
    return int(storage.basename(part).split("-")[1])


def encode_rows(rows: pa.Table) -> bytes:
    """Make a segment of rows."""
    if not rows.num_rows:
        return b""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=_IPC) as stream:
        stream.write_table(rows)
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def decode_rows(segment: bytes, schema: pa.Schema) -> pa.Table:
    """Read the rows of a segment."""
    if not segment:
        return schema.empty_table()
    with pa.ipc.open_stream(segment) as stream:
        return stream.read_all()


def write_segments(path: str, segments: Sequence[bytes]) -> None:
    """Write a file of segments, complete or not at all."""
    lengths = [_OFFSET_BYTES * (len(segments) + 1), *map(len, segments)]
    with storage.write_file(path) as handle:
        handle.write(np.cumsum(lengths).astype("<i8").tobytes())
        for segment in segments:
            handle.write(segment)


def read_segment(path: str, index: int) -> bytes:
    """Read one segment: two small requests, whatever the file's size."""
    header = storage.read_range(path, _OFFSET_BYTES * index, 2 * _OFFSET_BYTES)
    first, last = np.frombuffer(header, "<i8").tolist()
    return storage.read_range(path, first, last - first) if last > first else b""


def read_segments(paths: Sequence[str], index: int) -> Iterator[bytes]:
    """Read the segment of the same index in each of some files, in their order."""
    with ThreadPoolExecutor(_READERS) as readers:
        coming: deque[Future[bytes]] = deque()  # a bounded number: a reader need not hold all of them
        for path in paths:
            coming.append(readers.submit(read_segment, path, index))
            if len(coming) > _READERS:
                yield coming.popleft().result()
        yield from (segment.result() for segment in coming)
