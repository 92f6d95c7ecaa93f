"""Read many small pieces of large files: neighbours by one request, many requests at once.

Pieces come in the order they are asked for, a window of them in memory at a time.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from wit_builder import storage
from wit_builder.errors import UserError

WINDOW_BYTES = 64 << 20
"""Pieces of about so many bytes are read at once."""

_MOST_WASTE = 0.1
"""Bytes between neighbours, as a share of the bytes asked for."""
_LONGEST = 8 << 20  # bytes of one request


class Piece(NamedTuple):
    """A piece of a file."""

    file: str
    start: int
    size: int


class Request(NamedTuple):
    """Neighbouring pieces of a file, read together."""

    file: str
    start: int
    end: int
    pieces: list[int]
    """Their numbers, by position in the file."""


def read_pieces(folder: str, pieces: Sequence[Piece]) -> Iterator[bytes]:
    """Read pieces in their order; while one window is taken up the next is read.

    Args:
        folder: where the files are.
        pieces: to read.

    Raises:
        UserError: a file is not there, or it ends before a piece of it.
    """
    with ThreadPoolExecutor(1) as ahead:
        coming = None
        for window in _windows(pieces):
            following = ahead.submit(_read_window, folder, window)
            if coming:
                yield from coming.result()
            coming = following
        if coming:
            yield from coming.result()


def _windows(pieces: Sequence[Piece]) -> Iterator[Sequence[Piece]]:
    first, size = 0, 0
    for number, piece in enumerate(pieces):
        size += piece.size
        if size >= WINDOW_BYTES:
            yield pieces[first : number + 1]
            first, size = number + 1, 0
    if first < len(pieces):
        yield pieces[first:]


def _read_window(folder: str, pieces: Sequence[Piece]) -> list[bytes]:
    requests = merge_neighbours(pieces)
    answers = storage.read_ranges(folder, [(asked.file, asked.start, asked.end) for asked in requests])
    found = [b""] * len(pieces)
    for asked, data in zip(requests, answers, strict=True):
        if len(data) != asked.end - asked.start:
            raise UserError(
                f"{storage.join(folder, asked.file)} ends before byte {asked.end}, where its index places "
                "an image; restore the file"
            )
        for number in asked.pieces:
            start = pieces[number].start - asked.start
            found[number] = data[start : start + pieces[number].size]
    return found


def merge_neighbours(pieces: Sequence[Piece]) -> list[Request]:
    """Plan requests for some pieces, so that at most a tenth more is read than was asked for.

    Args:
        pieces: in any order; the same one may be asked for twice.
    """
    requests: list[Request] = []
    waste = used = 0
    for number in sorted(range(len(pieces)), key=pieces.__getitem__):
        file, start, size = pieces[number]
        end = start + size
        if requests and requests[-1].file == file:
            last = requests[-1]
            gap, new = max(0, start - last.end), max(0, end - max(start, last.end))
            longest = max(end, last.end)
            if waste + gap <= _MOST_WASTE * (used + new) and longest - last.start <= _LONGEST:
                waste, used = waste + gap, used + new
                requests[-1] = last._replace(end=longest, pieces=[*last.pieces, number])
                continue
        requests.append(Request(file, start, end, [number]))
        waste, used = 0, size
    return requests
