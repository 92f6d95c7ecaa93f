"""Count kinds of characters in whole columns of texts.

A table of all code points says what each one is; it is made from Python's own Unicode
data, so that the counts are those of `unicodedata`, whatever version Arrow has.
"""

import unicodedata
from enum import IntFlag
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Counts = npt.NDArray[np.int64]


class Kind(IntFlag):
    """What a character is; none of these is e.g. a digit, a dash or an emoji."""

    LETTER = 1
    """A letter, or a mark on one: Devanagari and Thai write vowels as marks."""
    SPACE = 2


def kind_of(character: str) -> Kind:
    """Tell what one character is."""
    if character.isspace():
        return Kind.SPACE
    return Kind.LETTER if unicodedata.category(character)[0] in "LM" else Kind(0)


@cache
def _kinds() -> npt.NDArray[np.uint8]:
    """Make the table: uint8 of shape (0x110000,), in a third of a second."""
    characters = [chr(point) for point in range(0x110000)]
    classes = np.frombuffer("".join(map(unicodedata.category, characters)).encode(), np.uint8)[::2]
    kinds = np.where(np.isin(classes, list(b"LM")), np.uint8(Kind.LETTER), np.uint8(0))
    kinds[np.fromiter(map(str.isspace, characters), bool, len(characters))] = Kind.SPACE
    return kinds


class CharacterCounts:
    """How many characters of each kind there are in n texts."""

    def __init__(self, texts: pa.Array) -> None:
        lengths = pc.utf8_length(texts).to_numpy(zero_copy_only=False)
        self._edges = np.concatenate([[0], np.cumsum(lengths)])
        joined = "".join(texts.to_pylist())
        self._kinds = _kinds()[np.frombuffer(joined.encode("utf-32-le"), np.uint32)]

    def of(self, kind: Kind) -> Counts:
        """Count the characters of a kind: int64 of shape (n,)."""
        upto = np.concatenate([[0], np.cumsum((self._kinds & kind) != 0)])
        counts: Counts = upto[self._edges[1:]] - upto[self._edges[:-1]]
        return counts

    @property
    def lengths(self) -> Counts:
        """Count all characters: int64 of shape (n,)."""
        return np.diff(self._edges)
