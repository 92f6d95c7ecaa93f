"""Bytes that are read on and on: a window over chunks, gzip members, zstd frames."""

import re
import zlib
from collections.abc import Callable
from typing import IO

import zstandard
from isal import isal_zlib

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGICS = (b"\x28\xb5\x2f\xfd", b"\x5d\x2a\x4d\x18")
"""Of a frame, and of a frame that holds a dictionary."""

_GZIP_ERROR: type[Exception] = isal_zlib.IsalError  # type: ignore[assignment]  # the stub: an instance
CHUNK = 64 << 10
_UNPACKED = 1 << 20
_MOST_DICTIONARY = 64 << 20
_LINE_ENDS = re.compile(rb"[\r\n]+")
_GZIP_WINDOW = zlib.MAX_WBITS | 16
_GZIP_MARK = 3
_MEMBER = re.compile(rb"\x1f\x8b\x08[\x00-\x1f]")


class DamagedError(Exception):
    """What is read here is not what it should be."""


UNREADABLE: tuple[type[Exception], ...] = (DamagedError, _GZIP_ERROR, zstandard.ZstdError)
"""What reading damaged bytes raises."""


class Window:
    """A stretch of unpacked bytes that moves forward over a stream of chunks."""

    def __init__(self, more: Callable[[], bytes], position: int = 0, ahead: bytes = b"") -> None:
        self._more = more
        self._data = ahead
        self._at = 0
        self._passed = position

    @property
    def position(self) -> int:
        """Place in the stream, in bytes."""
        return self._passed + self._at

    def _has(self, size: int) -> bool:
        """Tell whether so many bytes lie ahead, once they are read."""
        missing = size - (len(self._data) - self._at)
        if missing <= 0:
            return True
        parts = [self._data[self._at :]]
        self._passed += self._at
        while missing > 0 and (chunk := self._more()):
            parts.append(chunk)
            missing -= len(chunk)
        self._data, self._at = b"".join(parts), 0
        return missing <= 0

    def begins_with(self, prefix: bytes) -> bool:
        """Tell whether these bytes lie ahead."""
        self._has(len(prefix))
        return self._data.startswith(prefix, self._at)

    def skip_line_ends(self) -> bool:
        """Pass over line ends; False at the end of the stream."""
        while self._at < len(self._data) or self._has(1):
            found = _LINE_ENDS.match(self._data, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._data):
                return True
        return False

    def take(self, size: int) -> bytes:
        """Give the next bytes: fewer at the end of the stream."""
        self._has(size)
        data = self._data[self._at : self._at + size]
        self._at += len(data)
        return data

    def give_back(self, size: int) -> None:
        """Step back over bytes just taken."""
        self._at -= size

    def take_through(self, mark: re.Pattern[bytes], most: int) -> bytes | None:
        """Give all up to the end of what `mark` finds; None if the stream ends before.

        Raises:
            DamagedError: it is not found in so many bytes.
        """
        while not (found := mark.search(self._data, self._at)):
            ahead = len(self._data) - self._at
            if ahead > most:
                raise DamagedError
            if not self._has(ahead + 1):
                return None
        return self.take(found.end() - self._at)

    def skip(self, size: int) -> None:
        """Pass over so many bytes, or to the end of the stream."""
        while size > 0 and self._has(1):
            step = min(size, len(self._data) - self._at)
            self._at += step
            size -= step

    def skip_through(self, mark: re.Pattern[bytes], most: int) -> bool:
        """Pass over all up to the end of what `mark` finds; False if it finds nothing.

        Args:
            mark: what to look for.
            most: bytes that it takes at most, with what it looks ahead to.
        """
        while not (found := mark.search(self._data, self._at)):
            kept = min(len(self._data) - self._at, most)
            self._at = len(self._data) - kept
            if not self._has(kept + 1):
                return False
        self._at = found.end()
        return True


class Members:
    """The members of a gzip file, unpacked one after the other."""

    def __init__(self, handle: IO[bytes], magic: bytes) -> None:
        self._handle = handle
        self._magic = magic
        self._packed = b""
        self._read_to = 0
        self._unpacker = isal_zlib.decompressobj(_GZIP_WINDOW)

    @property
    def ended(self) -> bool:
        """Whether the member has been unpacked to its end."""
        return bool(self._unpacker.eof)

    def begin(self) -> int | None:
        """Go on to the member that follows; gives its offset, or None at the end of the file."""
        self._unpacker = isal_zlib.decompressobj(_GZIP_WINDOW)
        if not self._packed and not self._read():
            return None
        return self._read_to - len(self._packed)

    def more(self) -> bytes:
        """Unpack some more of the member; nothing at its end or at the end of the file."""
        while not self._unpacker.eof and (self._packed or self._read()):
            data: bytes = self._unpacker.decompress(self._packed, _UNPACKED)
            self._packed = self._unpacker.unused_data or self._unpacker.unconsumed_tail
            if data:
                return data
        return b""

    def find(self, offset: int, end: int | None) -> int | None:
        """Go to the first member from `offset` on, but before `end`, that unpacks to the magic bytes."""
        while end is None or offset < end:
            self._handle.seek(offset)
            chunk = self._handle.read(_UNPACKED)
            for found in _MEMBER.finditer(chunk):
                if self._is_wanted(offset + found.start()):
                    self._handle.seek(offset + found.start())
                    self._read_to, self._packed = offset + found.start(), b""
                    return self.begin()
            if len(chunk) < _UNPACKED:
                return None
            offset += len(chunk) - _GZIP_MARK
        return None

    def _is_wanted(self, offset: int) -> bool:
        self._handle.seek(offset)
        try:
            unpacker = isal_zlib.decompressobj(_GZIP_WINDOW)
            begin = unpacker.decompress(self._handle.read(CHUNK), len(self._magic))
        except _GZIP_ERROR:
            return False
        return bool(begin == self._magic)

    def _read(self) -> bool:
        self._packed = self._handle.read(CHUNK)
        self._read_to += len(self._packed)
        return bool(self._packed)


def unpack_zstd(handle: IO[bytes]) -> IO[bytes]:
    """Unpack all frames; the first may be a dictionary for the others, itself packed or not."""
    head = handle.read(8)
    dictionary = None
    if head.startswith(ZSTD_MAGICS[1]):
        data = handle.read(int.from_bytes(head[4:], "little"))
        if data.startswith(ZSTD_MAGICS[0]):
            data = zstandard.ZstdDecompressor().decompress(data, max_output_size=_MOST_DICTIONARY)
        dictionary = zstandard.ZstdCompressionDict(data)
    else:
        handle.seek(0)
    unpacker = zstandard.ZstdDecompressor(dict_data=dictionary)
    stream: IO[bytes] = unpacker.stream_reader(handle, read_across_frames=True)
    return stream
