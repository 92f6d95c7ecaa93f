"""A file of segments, each read alone: how sorted data goes from many writers to many readers.

Every writer makes one file with a segment for each reader; a reader takes its
segment of every file by exact range. So two sets of work items exchange data through
files, without a shuffle that would hold it in memory.

The file begins with int64 offsets, little-endian, one more than there are segments;
the segments follow.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from wit_builder import storage

_OFFSET_BYTES = 8
_READERS = 16
"""A segment of an object store takes tens of milliseconds, nearly all of it waiting."""


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
        yield from readers.map(lambda path: read_segment(path, index), paths)
