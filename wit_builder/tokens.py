"""Split whole batches of texts into words, in the bytes of an Arrow column.

What `wit_builder.text.tokenize` does, compiled and forty times as fast: one pass
makes small letters of capitals, one marks the bytes of words, one notes where the
marks begin and end. Texts with characters outside ASCII are first folded by
`wit_builder.folding`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wit_builder import folding
from wit_builder.compiled import compiled, helper, read_only

UInt8s = npt.NDArray[np.uint8]
Int64s = npt.NDArray[np.int64]

SPARE = 8
"""Bytes behind the last word, so that a word can be read eight bytes at a time."""

_BOUNDS_OF = {pa.string(): np.int32, pa.large_string(): np.int64, pa.large_binary(): np.int64}
_BYTES, _OFFSETS = read_only("uint8"), read_only("int64")
_BLOCK = 64  # bytes looked at together
_ONE, _TWO = np.uint64(1), np.uint64(2)
_MARK = 2
_APOSTROPHE, _S = ord("'"), ord("s")


class Words(NamedTuple):
    """The words of n texts."""

    data: UInt8s
    """Bytes of the words and what is between them, and `SPARE` more."""
    edges: Int64s
    """First byte of each of m words and the byte behind it, in turn: shape (2 m,)."""
    firsts: Int64s
    """The first word of each text, and m: shape (n + 1,)."""


def utf8(texts: Sequence[str | None] | pa.Array | pa.ChunkedArray) -> tuple[UInt8s, Int64s]:
    """Give the bytes of n texts, without a copy if they are an Arrow column.

    Returns:
        Their UTF-8, uint8 of shape (k,), and the bounds of the texts in it, int64 of
        shape (n + 1,), from 0 to k. A missing text is empty.
    """
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    column = texts if isinstance(texts, pa.Array) else pa.array(map(_encode, texts), pa.large_binary())
    if column.type not in _BOUNDS_OF:
        column = column.cast(pa.large_string())
    if column.null_count:
        column = column.fill_null("")
    if not len(column):
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    _, bounds, content = column.buffers()
    offsets = np.frombuffer(bounds, _BOUNDS_OF[column.type])[column.offset :][: len(column) + 1]
    data = np.frombuffer(content or b"", np.uint8)[offsets[0] : offsets[-1]]
    return data, offsets.astype(np.int64) - offsets[0]


def utf8_of_one(text: str) -> tuple[UInt8s, Int64s]:
    """As `utf8`, for one text, without the detour through a column."""
    data = np.frombuffer(_encode(text), np.uint8)
    return data, np.array([0, data.size])


def _encode(text: str | None) -> bytes:
    """Give UTF-8; half of a surrogate pair, which is no character, becomes a question mark."""
    return (text or "").encode("utf-8", "replace")


def split_words(data: UInt8s, offsets: Int64s) -> Words:
    """Split texts into normalised words, as `wit_builder.text.tokenize` does.

    Args:
        data: UTF-8 of n texts, uint8 of shape (k,).
        offsets: their bounds, int64 of shape (n + 1,), from 0 to k.
    """
    size = data.size
    lowered = np.zeros(size + SPARE, np.uint8)
    marks = np.empty(size, np.uint8)
    foreign = np.zeros(len(offsets) - 1, np.uint8)
    _lower(data, offsets, lowered, marks, foreign)
    starts, ends = offsets[:-1], offsets[1:]
    if foreign.any():
        rows = np.flatnonzero(foreign)
        folded = folding.fold(data, starts[rows], ends[rows])
        lowered = np.concatenate([lowered[:size], folded.data, np.zeros(SPARE, np.uint8)])
        marks = np.concatenate([marks, folded.marks])
        starts, ends = starts.copy(), ends.copy()
        starts[rows], ends[rows] = folded.starts + size, folded.ends + size
    edges = np.empty(marks.size + len(offsets), np.int64)  # a text of n bytes has up to (n + 1) / 2 words
    firsts = np.empty(len(offsets), np.int64)
    _split_words(lowered, marks, starts, ends, edges, firsts)
    return Words(lowered, edges[: 2 * firsts[-1]], firsts)


def split_spaced(data: UInt8s, offsets: Int64s) -> Words:
    """Split texts as MetaCLIP's rule pads them, into what stands between spaces.

    The rule: a space before and behind the text and each of its marks , . ; : ? ! `
    and a space for each tab, line feed and carriage return (`spacing` of MetaCLIP's
    substr_matching.py). Two neighbouring spaces have an empty word between them, so
    no query with one space runs over them.

    Args:
        data: UTF-8 of n texts, uint8 of shape (k,).
        offsets: their bounds, int64 of shape (n + 1,), from 0 to k.
    """
    padded = np.zeros(data.size + SPARE, np.uint8)
    padded[: data.size] = data
    kinds = np.empty(data.size, np.uint8)
    edges = np.empty(4 * data.size + 2 * len(offsets), np.int64)
    firsts = np.empty(len(offsets), np.int64)
    _split_spaced(padded, offsets, kinds, edges, firsts)
    return Words(padded, edges[: 2 * firsts[-1]], firsts)


@compiled(f"void({_BYTES}, {_OFFSETS}, uint8[::1], uint8[::1], uint8[::1])")
def _lower(data: UInt8s, offsets: Int64s, lowered: UInt8s, marks: UInt8s, foreign: UInt8s) -> None:
    """Lower ASCII capitals; mark word bytes 1 and apostrophes 2; note texts that are not ASCII."""
    for at in range(len(data)):
        byte = data[at]
        lowered[at] = byte | ((byte >= 65) & (byte <= 90)) << 5
    for at in range(len(data)):
        byte = lowered[at]
        word = ((byte >= 97) & (byte <= 122)) | ((byte >= 48) & (byte <= 57)) | (byte == 95)
        marks[at] = word | (byte == _APOSTROPHE) << 1
    text = 0
    for block in range(0, len(data), _BLOCK):
        end = min(block + _BLOCK, len(data))
        if _all_ascii(data, block, end):
            continue
        for at in range(block, end):
            if data[at] >= 0x80:
                while offsets[text + 1] <= at:
                    text += 1
                foreign[text] = 1


@helper
def _all_ascii(data: UInt8s, start: int, end: int) -> bool:
    bits = np.uint8(0)
    if end - start < _BLOCK:
        for at in range(start, end):
            bits |= data[at]
    else:
        for at in range(_BLOCK):  # a constant, so that it becomes two or four instructions
            bits |= data[start + at]
    return bool(bits < 0x80)


@compiled(f"void({_BYTES}, {_BYTES}, {_OFFSETS}, {_OFFSETS}, int64[::1], int64[::1])")
def _split_words(
    data: UInt8s, marks: UInt8s, starts: Int64s, ends: Int64s, edges: Int64s, firsts: Int64s
) -> None:
    """Note where words begin and end.

    Without a branch per byte: each byte is written down as an edge, and the next one
    over it unless it was one. Unsigned numbers spare numba's test for negative rows.
    """
    count = np.uint64(0)
    firsts[0] = 0
    for text in range(len(starts)):
        start, end = np.uint64(starts[text]), np.uint64(ends[text])
        inside = np.uint64(0)
        here = np.uint64(marks[start]) if start < end else np.uint64(0)
        for at in range(start, end):
            after = np.uint64(marks[at + _ONE]) if at + _ONE < end else np.uint64(0)
            word = (here | (here >> _ONE & inside & after)) & _ONE  # an apostrophe between two of a word
            edges[count] = at
            count += word ^ inside
            inside, here = word, after
        edges[count] = end
        count += inside
        firsts[text + 1] = count >> _ONE
    for last in range(_ONE, count, np.uint64(2)):
        start, end = edges[last - _ONE], edges[last]
        while end - start > 2 and data[end - 1] == _S and data[end - 2] == _APOSTROPHE:
            end -= 2
        edges[last] = end


@compiled(f"void({_BYTES}, {_OFFSETS}, uint8[::1], int64[::1], int64[::1])")
def _split_spaced(data: UInt8s, offsets: Int64s, kinds: UInt8s, edges: Int64s, firsts: Int64s) -> None:
    """Note what stands between spaces and marks; a mark is a word of its own."""
    for at in range(len(kinds)):
        byte = data[at]
        space = (byte == ord(" ")) | (byte == ord("\t")) | (byte == ord("\n")) | (byte == ord("\r"))
        stop = (byte == ord(",")) | (byte == ord(".")) | (byte == ord(";")) | (byte == ord(":"))
        other = (byte == ord("?")) | (byte == ord("!")) | (byte == ord("`"))
        kinds[at] = space | (stop | other) << 1
    count = np.uint64(0)
    firsts[0] = 0
    for text in range(len(offsets) - 1):
        begin, end = np.uint64(offsets[text]), np.uint64(offsets[text + 1])
        for at in range(begin, end):
            edges[count], edges[count + _ONE] = begin, at  # overwritten unless the word ends here
            if kinds[at]:
                begin = at + _ONE
                count += _TWO
                if kinds[at] == _MARK:
                    edges[count], edges[count + _ONE] = at, begin
                    count += _TWO
        edges[count], edges[count + _ONE] = begin, end
        count += _TWO
        firsts[text + 1] = count >> _ONE
