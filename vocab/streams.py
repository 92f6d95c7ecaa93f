"""Read a slice of a dump, packed or not, so that many workers share one file.

A slice is a range of the file's bytes. A bzip2 file of many streams, as Wikimedia's
multistream dumps are, is cut at its streams: a slice holds the streams that begin in
it, which are found by their header, so no index is needed. A plain file is cut
anywhere. A file of one stream, gzip and Zstandard cannot be cut: all of it belongs
to its first slice, and the others are empty.
"""

import bz2
import gzip
import re
import zlib
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import IO, NamedTuple

import zstandard

from wit_builder import storage
from wit_builder.errors import UserError

SLICE = 32 << 20
"""Bytes of a slice: of bzip2 about 150 MB of XML."""

_CHUNK = 1 << 18
_SCANNED = 1 << 20
_MOST_UNPACKED = 1 << 19
"""Bytes unpacked at once: 256 KiB of bzip2 can hold gigabytes of blanks."""
_BZ2_MAGIC = b"BZh"
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# The header of a stream and of its first block: 80 bits, so none occurs by chance.
_BZ2_STREAM = re.compile(rb"BZh[1-9]1AY&SY")
_BZ2_HEADER = 10


class Chunk(NamedTuple):
    """Some unpacked bytes, in order."""

    data: bytes
    own: bool = True
    """Whether they belong to the slice; the others only complete what began in it."""
    damaged: bool = False
    """Something is missing here: what follows does not continue what came before."""


Unpack = Callable[[IO[bytes]], Iterator[bytes]]


class Slice(NamedTuple):
    """A range of a file's bytes."""

    start: int
    end: int | None
    """None: to the end of the file."""


def list_slices(path: str, slice_bytes: int = SLICE, boundaries: list[int] | None = None) -> list[Slice]:
    """Cut a file into slices that can be read apart from each other.

    Args:
        path: of the dump.
        slice_bytes: about so many a slice.
        boundaries: offsets of streams from the dump's index, ascending; slices then begin there.

    Returns:
        Slices that cover the file, in order; the last has no end.
    """
    with storage.open_read(path) as raw:
        magic = raw.read(4)
    if magic.startswith((_GZIP_MAGIC, _ZSTD_MAGIC)):
        return [Slice(0, None)]
    wanted = range(slice_bytes, storage.size(path), slice_bytes)
    cuts = list(wanted) if boundaries is None else _next_boundaries(wanted, boundaries)
    return [Slice(start, end) for start, end in zip([0, *cuts], [*cuts, None], strict=True)]


def _next_boundaries(wanted: range, boundaries: list[int]) -> list[int]:
    cuts: list[int] = []
    for boundary in boundaries:
        if boundary >= (cuts[-1] if cuts else 0) + wanted.step:
            cuts.append(boundary)
    return cuts


def read_index(path: str) -> list[int]:
    """Read the offsets of the streams from a multistream dump's index.

    Args:
        path: lines `offset:page id:title`, packed as dumps are.

    Raises:
        UserError: the file is missing or damaged, or a line is not of that form.
    """
    offsets: set[int] = set()
    for line in read_lines(path):
        offset = line.partition(b":")[0]
        if not offset.isdigit():
            raise UserError(
                f"{path} is no multistream index: {line[:40]!r}; name a file of `offset:id:title` lines"
            )
        offsets.add(int(offset))
    return sorted(offsets)


def read_lines(path: str) -> Iterator[bytes]:
    """Stream the lines of a text file, plain or packed as dumps are, without their ends.

    Raises:
        UserError: the file is missing or damaged.
    """
    rest = b""
    for chunk in read_slice(path, Slice(0, None)):
        if chunk.damaged:
            raise UserError(f"{path} is damaged or cut short; download it again")
        *lines, rest = (rest + chunk.data).split(b"\n")
        yield from lines
    if rest:
        yield rest


def read_slice(path: str, part: Slice) -> Iterator[Chunk]:
    """Unpack a slice, and go on behind its end as long as the caller asks.

    Damage costs the rest of its stream: the next stream goes on.

    Raises:
        UserError: the file is missing.
    """
    with storage.open_read(path) as raw:
        magic = raw.read(4)
        if magic.startswith(_BZ2_MAGIC):
            yield from _read_bz2(raw, part)
        elif magic.startswith(_GZIP_MAGIC):
            yield from _read_whole(raw, part, _gunzip)
        elif magic.startswith(_ZSTD_MAGIC):
            yield from _read_whole(raw, part, _unzstd)
        else:
            yield from _read_plain(raw, part)


def _read_plain(raw: IO[bytes], part: Slice) -> Iterator[Chunk]:
    raw.seek(part.start)
    left = part.end - part.start if part.end is not None else None
    while data := raw.read(_CHUNK if left is None else min(_CHUNK, left) or _CHUNK):
        yield Chunk(data, own=left is None or left > 0)
        left = None if left is None else max(0, left - len(data))


def _read_whole(
    raw: IO[bytes], part: Slice, unpack: Callable[[IO[bytes]], Iterator[bytes]]
) -> Iterator[Chunk]:
    if part.start > 0:
        return
    raw.seek(0)
    try:
        for data in unpack(raw):
            yield Chunk(data)
    except (EOFError, OSError, zlib.error, zstandard.ZstdError):
        yield Chunk(b"", damaged=True)


def _gunzip(raw: IO[bytes]) -> Iterator[bytes]:
    # read1 gives what is there before it meets damage; read would lose it
    return iter(partial(gzip.GzipFile(fileobj=raw).read1, _CHUNK), b"")


def _unzstd(raw: IO[bytes]) -> Iterator[bytes]:
    reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
    return iter(partial(reader.read, _CHUNK), b"")


def _read_bz2(raw: IO[bytes], part: Slice) -> Iterator[Chunk]:
    begin = 0 if part.start == 0 else _find_stream(raw, part.start, part.end)
    while begin is not None:
        broken = yield from _read_streams(raw, begin, part.end)
        begin = None if broken is None else _find_stream(raw, broken + 1, part.end)


def _read_streams(raw: IO[bytes], begin: int, end: int | None) -> Generator[Chunk, None, int | None]:
    """Unpack stream after stream.

    Returns:
        Where the stream begins that is damaged; None at the end of the file.
    """
    raw.seek(begin)
    unpacker, offset = bz2.BZ2Decompressor(), begin
    while True:
        packed = unpacker.unused_data
        if unpacker.eof:
            unpacker, begin = bz2.BZ2Decompressor(), offset - len(packed)
        if not packed and unpacker.needs_input:
            packed = raw.read(_CHUNK)
            offset += len(packed)
        own = end is None or begin < end
        if not packed and unpacker.needs_input:
            if offset == begin:
                return None
            yield Chunk(b"", own, damaged=True)  # cut short, or so broken that it swallowed the others
            return begin
        try:
            data = unpacker.decompress(packed, _MOST_UNPACKED)
        except OSError:
            yield Chunk(b"", own, damaged=True)
            return begin
        yield Chunk(data, own)


def _find_stream(raw: IO[bytes], start: int, end: int | None) -> int | None:
    """Find the first stream that begins in a range of the file."""
    raw.seek(start)
    kept, block = start, b""
    while data := raw.read(_SCANNED):
        block += data
        if found := _BZ2_STREAM.search(block):
            begin = kept + found.start()
            return begin if end is None or begin < end else None
        kept += max(0, len(block) - _BZ2_HEADER)
        block = block[-_BZ2_HEADER:]
        if end is not None and kept >= end:
            return None
    return None
