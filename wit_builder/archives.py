"""WARC and WAT archives as streams of records, whole or by slices.

A record that is damaged costs itself or, in a packed archive, the rest of its gzip
member; reading goes on at the next place where a record begins. Formats: ISO 28500
(WARC 1.0 and 1.1), RFC 1952 (gzip), RFC 8878 (zstd), and the IIPC's WARC-Zstandard
for a dictionary in the first frame.
"""

import re
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from wit_builder import storage
from wit_builder.errors import UserError
from wit_builder.streams import (
    CHUNK,
    GZIP_MAGIC,
    UNREADABLE,
    ZSTD_MAGICS,
    DamagedError,
    Members,
    Window,
    unpack_zstd,
)

Count = Callable[[str], None]

MOST_BYTES = 64 << 20
"""A record longer than this is passed over: no page is."""

_MOST_DIGITS = 18
_MOST_HEADER = 1 << 20
_WARC_MAGIC = b"WARC/"
_RECORD = re.compile(rb"\n\r?\n(?=WARC/1\.\d\r?\n[\w-]+:[^\n]*\n[\w-]+:)")
_KIND = re.compile(rb"\r\nWARC-Type: ([a-z]+)\r\n")
_LONGEST_MARK = 4
"""Bytes of line ends before a record."""
_MOST_MARK = 1 << 12
"""A record's mark, with its first lines, is no longer."""
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


class Record(NamedTuple):
    """One record of an archive."""

    offset: int
    """Byte at which its gzip member begins, or of a plain archive the record itself; of a zstd
    archive counted in what is unpacked."""
    fields: dict[bytes, bytes]
    """Its named fields, names in lower case."""
    body: bytes


class _CutError(Exception):
    """The file ends inside a record."""


def slices_of(path: str, slice_bytes: int) -> list[tuple[int, int]]:
    """Cut an archive into byte ranges that are read apart.

    A record belongs to the slice in which its gzip member, or the plain record, begins.
    A zstd archive is one slice. What is stored inside an archive, unpacked, and looks like the
    begin of a record or member is taken for one where a slice begins just before it.

    Args:
        path: WARC or WAT, plain, gzip or zstd.
        slice_bytes: length of each range but the last.

    Returns:
        (start, end) in bytes, in order, without gaps.

    Raises:
        UserError: the file is not there.
    """
    size = storage.size(path)
    if path.endswith(".zst") or size <= slice_bytes:
        return [(0, size)]
    return [(start, min(start + slice_bytes, size)) for start in range(0, size, slice_bytes)]


def read_records(
    path: str, kinds: frozenset[bytes], count: Count, start: int = 0, end: int | None = None
) -> Iterator[Record]:
    """Stream the records of an archive, or of a slice of it.

    Args:
        path: WARC or WAT, plain, gzip or zstd.
        kinds: values of WARC-Type that are wanted.
        count: called with "damaged_places" (what cannot be read is passed over up to the next
            record or gzip member), "truncated_records" (the file or member ends inside one),
            "wrong_lengths" (the next record begins before the end that one declares) and
            "oversized_records".
        start: first byte of the slice; see `slices_of`.
        end: byte that the slice ends before; None reads to the end.

    Raises:
        UserError: the file is missing or no WARC.
    """
    with storage.open_read(path) as handle:
        head = handle.read(len(_WARC_MAGIC))
        handle.seek(0)
        parser = _Parser(kinds, count)
        if head.startswith(GZIP_MAGIC):
            yield from _read_members(Members(handle, _WARC_MAGIC), parser, start, end)
        elif head.startswith(ZSTD_MAGICS):
            if not start:
                yield from _read_plain(unpack_zstd(handle), parser, 0, None)
        elif head == _WARC_MAGIC:
            handle.seek(max(0, start - _LONGEST_MARK))
            yield from _read_plain(handle, parser, start, end)
        else:
            raise UserError(f"{path} is no WARC or WAT file (it begins with {head!r}); check the input")
        if not parser.records and not start:
            raise UserError(f"{path} is no WARC or WAT file (it holds no record); check the input")


def _read_members(members: Members, parser: "_Parser", start: int, end: int | None) -> Iterator[Record]:
    begin = members.find(start, end) if start else members.begin()
    while begin is not None and (end is None or begin < end):
        position = begin
        try:
            unpacked = members.more()
            alone = parser.parse_alone(unpacked, position) if members.ended else None
            if alone is not None:
                yield from alone
                begin = members.begin()
                continue
            window = Window(members.more, ahead=unpacked)
            while window.skip_line_ends():
                record = parser.parse(window, position)
                if record:
                    yield record
            if not members.ended:
                raise _CutError
            begin = members.begin()
        except _CutError:
            parser.count("truncated_records")
            begin = members.begin() if members.ended else None
        except UNREADABLE:
            parser.count("damaged_places")
            begin = members.find(position + 1, end)


def _read_plain(handle: IO[bytes], parser: "_Parser", start: int, end: int | None) -> Iterator[Record]:
    window = Window(lambda: handle.read(CHUNK), max(0, start - _LONGEST_MARK))
    while window.position < start:
        if not window.skip_through(_RECORD, _MOST_MARK):
            return
    try:
        while window.skip_line_ends() and (end is None or window.position < end):
            try:
                record = parser.parse(window, window.position)
                if record:
                    yield record
            except DamagedError:
                parser.count("damaged_places")
                if not window.skip_through(_RECORD, _MOST_MARK):
                    return
    except _CutError:
        parser.count("truncated_records")
    except UNREADABLE:
        parser.count("damaged_places")


class _Parser:
    """Reads one record after the other and counts what goes wrong."""

    def __init__(self, kinds: frozenset[bytes], count: Count) -> None:
        self._kinds = kinds
        self.count = count
        self.records = 0

    def parse(self, window: Window, offset: int) -> Record | None:
        """Read the record that begins here; None if it is not wanted."""
        fields = _fields(self._header(window))
        length, kind = fields.get(b"content-length", b""), fields.get(b"warc-type")
        if not kind or not length.isdigit() or len(length) > _MOST_DIGITS:
            raise DamagedError
        self.records += 1
        size, wanted = int(length), kind in self._kinds
        if wanted and size > MOST_BYTES:
            self.count("oversized_records")
        if not wanted or size > MOST_BYTES:
            window.skip(size)
            return None
        taken = window.take(size + 1)
        if len(taken) < size or taken[size:] not in (b"", b"\r", b"\n"):
            window.give_back(len(taken))
            return Record(offset, fields, self._mended(window, size))
        window.give_back(len(taken) - size)
        return Record(offset, fields, taken[:size])

    def parse_alone(self, data: bytes, offset: int) -> tuple[Record, ...] | None:
        """Read a record that fills its member, as most do; () if it is not wanted, None if it does not."""
        end = data.find(b"\r\n\r\n") + 4
        size = len(data) - end - 4
        if end < 4 or size > MOST_BYTES or not (data.startswith(_WARC_MAGIC) and data.endswith(b"\r\n\r\n")):
            return None
        header = data[:end]
        named = _KIND.search(header)
        if named and named[1] not in self._kinds and b"\r\nContent-Length: %d\r\n" % size in header:
            self.records += 1
            return ()
        fields = _fields(header)
        kind = fields.get(b"warc-type")
        if not kind or fields.get(b"content-length") != b"%d" % size:
            return None
        self.records += 1
        return (Record(offset, fields, data[end:-4]),) if kind in self._kinds else ()

    def _header(self, window: Window) -> bytes:
        if not window.begins_with(_WARC_MAGIC):
            raise DamagedError
        header = window.take_through(_BLANK_LINE, _MOST_HEADER)
        if header is None:
            raise _CutError
        return header

    def _mended(self, window: Window, size: int) -> bytes:
        """End a record where the next begins, if that is before the end it declares."""
        taken = window.take(size + _MOST_MARK)
        mark = _RECORD.search(taken)
        if mark and mark.start() < size:
            self.count("wrong_lengths")
            window.give_back(len(taken) - mark.end())
            return taken[: mark.start()]
        if len(taken) < size:
            raise _CutError
        window.give_back(len(taken) - size)
        return taken[:size]


def _fields(header: bytes) -> dict[bytes, bytes]:
    """Read a record's named fields, names in lower case."""
    parts = [line.partition(b":") for line in header.split(b"\n")[1:]]
    return {name.rstrip().lower(): value.strip() for name, _, value in parts}
