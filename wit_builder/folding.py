"""Fold texts that are not ASCII as `wit_builder.text.normalize` does, for thousands at once.

The normal form of most characters does not depend on their neighbours: it begins
with a character that combines with nothing before it. A text of such characters
alone is folded through a table, one character after the other (Unicode Standard
Annex 15, section "Concatenation of normalized strings": normal forms with such a
boundary between them may be concatenated). Any other text (combining marks,
Hangul letters, rare planes) goes through `normalize` itself.
"""

import unicodedata
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import regex

from wit_builder.compiled import compiled, helper, read_only
from wit_builder.text import normalize

UInt8s = npt.NDArray[np.uint8]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

_IN_TABLE = 0x20000  # the planes 0 and 1: all letters but rare Han, and all emoji
_GROWTH = 3  # characters whose folded form is longer than so many times theirs are not in the table
_NOT_IN_TABLE = -1
_APOSTROPHE = ord("'")
_BYTES, _ROWS, _OFFSETS = read_only("uint8"), read_only("int32"), read_only("int64")


class Folded(NamedTuple):
    """Folded texts and which of their bytes belong to words."""

    data: UInt8s
    """UTF-8 of all texts."""
    marks: UInt8s
    """1 where a byte belongs to a letter, mark, digit or underscore, of data's shape."""
    starts: Int64s
    """First byte of each text."""
    ends: Int64s
    """Byte behind each text."""


def fold(data: UInt8s, starts: Int64s, ends: Int64s) -> Folded:
    """Fold texts; bytes that are no UTF-8 become U+FFFD, which separates words.

    Args:
        data: UTF-8, uint8.
        starts: first byte of each of n texts, int64 of shape (n,).
        ends: the byte behind each.
    """
    table = _table()
    folded = np.empty(int((ends - starts).sum()) * _GROWTH, np.uint8)
    bounds = np.empty((2, len(starts)), np.int64)
    used = _fold(data, starts, ends, *table, folded, bounds)
    pieces = [folded[:used]]
    for row in np.flatnonzero(bounds[0] == _NOT_IN_TABLE).tolist():
        text = data[starts[row] : ends[row]].tobytes().decode("utf-8", "replace")
        pieces.append(np.frombuffer(normalize(text).encode(), np.uint8))
        bounds[:, row] = used, used + pieces[-1].size
        used += pieces[-1].size
    folded = np.concatenate(pieces)
    marks = np.empty_like(folded)
    _mark(folded, word_characters(), marks)
    return Folded(folded, marks, bounds[0], bounds[1])


@compiled(f"int64({_BYTES}, {_OFFSETS}, {_OFFSETS}, {_ROWS}, {_BYTES}, uint8[::1], int64[:, ::1])")
def _fold(
    data: UInt8s, starts: Int64s, ends: Int64s, rows: Int32s, forms: UInt8s, folded: UInt8s, bounds: Int64s
) -> int:
    """Fold what the table can fold: (2, n) bounds, -1 for the other texts; gives the bytes written."""
    used = 0
    for text in range(len(starts)):
        first, at = used, starts[text]
        while at < ends[text]:
            code, size = _code_point(data, at, ends[text])
            row = rows[code] if 0 <= code < len(rows) else _NOT_IN_TABLE
            if row == _NOT_IN_TABLE:
                used = first
                break
            for here in range(row + 1, row + 1 + forms[row]):
                folded[used] = forms[here]
                used += 1
            at += size
        known = at == ends[text]
        bounds[0, text] = first if known else _NOT_IN_TABLE
        bounds[1, text] = used
    return used


@compiled(f"void({_BYTES}, {_BYTES}, uint8[::1])")
def _mark(data: UInt8s, is_word: UInt8s, marks: UInt8s) -> None:
    at = 0
    while at < len(data):
        code, size = _code_point(data, at, len(data))
        for here in range(at, at + size):
            marks[here] = is_word[code] | (code == _APOSTROPHE) << 1
        at += size


@helper
def _code_point(data: UInt8s, at: int, end: int) -> tuple[Any, Any]:
    """Decode the character at a byte: its code point, -1 if it is broken, and its bytes."""
    lead = np.int64(data[at])
    if lead < 0x80:
        return lead, 1
    size = 2 + (lead >= 0xE0) + (lead >= 0xF0)
    code = lead & (0x7F >> size)
    for here in range(at + 1, at + size):
        if here >= end or data[here] & 0xC0 != 0x80:
            return -1, 1
        code = code << 6 | data[here] & 0x3F
    least = 0x80 if size == 2 else 0x800 if size == 3 else 0x10000  # with fewer bytes it would be shorter
    return (code, size) if 0xC0 <= lead <= 0xF4 and code >= least else (-1, 1)


@cache
def word_characters() -> UInt8s:
    r"""Tell which code points are word characters, `\w` of the tokeniser: uint8 of shape (0x110000,)."""
    everything = np.arange(0x110000, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")
    table = np.zeros(0x110000, np.uint8)
    for word in regex.finditer(r"\w+", everything):
        table[word.start() : word.end()] = 1
    return table


@cache
def _table() -> tuple[Int32s, UInt8s]:
    """Fold each character by itself.

    Returns:
        The row of each code point, int32 of shape (0x20000,), -1 if it is not in the
        table; and the table, uint8: at each row a length and so many bytes of UTF-8.
    """
    joining = _joining_characters()
    rows = np.full(_IN_TABLE, _NOT_IN_TABLE, np.int32)
    forms = bytearray()
    for code, character in enumerate(map(chr, range(_IN_TABLE))):
        steps = (character, unicodedata.normalize("NFKC", character).casefold())
        if any(unicodedata.normalize("NFKD", step)[0] in joining for step in steps):
            continue
        form = normalize(character).encode("utf-8", "surrogatepass")
        if len(form) <= _GROWTH * len(character.encode("utf-8", "surrogatepass")):
            rows[code] = len(forms)
            forms += bytes([len(form)]) + form
    return rows, np.frombuffer(forms, np.uint8)


def _joining_characters() -> set[str]:
    """List the characters that may combine with, or move before, what stands before them.

    Combining classes other than 0, and what some composition has as its second part:
    the Unicode property NFC_Quick_Check=Maybe, taken from the decompositions.
    """
    joining = set(map(chr, (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))))  # Hangul vowels and finals
    for character in map(chr, range(_IN_TABLE)):
        parts = unicodedata.decomposition(character).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            joining.add(chr(int(parts[1], 16)))
        if unicodedata.combining(character):
            joining.add(character)
    return joining
