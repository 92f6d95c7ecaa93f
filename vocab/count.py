"""Number the words of plain texts, so that words and word pairs are counted as arrays.

A bigram is two neighbouring words with nothing between them but blanks,
hyphens or apostrophes. Any other sign and the end of a line end the phrase, so
no bigram crosses a comma, a bracket, a sentence or a paragraph.
"""

import re
from array import array
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import regex

from wit_builder.hashing import UInt64s, mix
from wit_builder.text import normalize, tokenize

# A word, or signs that end a phrase. \u2010 and \u2011 are the two hyphens; longer dashes end
# a phrase. Normalising has made a plain blank of the no-break space and a plain sign of
# each apostrophe. The words are those of `wit_builder.text`; on ASCII `re` finds the same
# ones faster.
_TOKEN = r"\w+(?:'\w+)*|[^\w' \t\-\u2010\u2011]+"
_ASCII_TOKEN = re.compile(_TOKEN, re.ASCII)
_UNICODE_TOKEN = regex.compile(_TOKEN)

PHRASE_END = 0

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Some texts as numbers."""

    words: list[str]
    """Word number i + 1 is words[i]."""
    numbers: Int32s
    """The texts' words in order, PHRASE_END between phrases: int32 of shape (n,)."""

    def counts(self) -> Int64s:
        """Count the occurrences of each word: int64 of shape (len(words),)."""
        return np.bincount(self.numbers, minlength=len(self.words) + 1)[1:].astype(np.int64)


class Tokenizer:
    """Turns texts into numbers until they are taken away."""

    def __init__(self) -> None:
        self._known = _WordNumbers()
        self._numbers = array("i")

    def __len__(self) -> int:
        return len(self._numbers) + len(self._known)

    def add(self, text: str) -> None:
        """Add one text."""
        number_of = self._known.__getitem__
        for line in text.split("\n"):
            found = (
                _ASCII_TOKEN.findall(line.lower())
                if line.isascii()
                else _UNICODE_TOKEN.findall(normalize(line))
            )
            if found:
                self._numbers.extend(map(number_of, found))
                self._numbers.append(PHRASE_END)

    def take(self) -> Tokens:
        """Give what was added and begin anew."""
        tokens = Tokens(list(self._known.words), np.array(self._numbers, np.int32))
        self.__init__()  # type: ignore[misc]
        return tokens


class _WordNumbers(dict[str, int]):
    """Number by token as it was found: "dog" and "dog's" have the same."""

    def __init__(self) -> None:
        self.words: dict[str, int] = {}

    def __missing__(self, token: str) -> int:
        words = [token] if token.isascii() and token.isalnum() else tokenize(token)
        number = self.words.setdefault(words[0], len(self.words) + 1) if words else PHRASE_END
        self[token] = number
        return number


def pairs_of(numbers: Int32s) -> UInt64s:
    """List the bigrams of numbered words.

    Args:
        numbers: int32 of shape (n,); 0 (PHRASE_END) for what is no part of a bigram.

    Returns:
        uint64 of shape (m,): the first word's number << 32 | the second's.
    """
    first, second = numbers[:-1], numbers[1:]
    both = (first != PHRASE_END) & (second != PHRASE_END)
    keys: UInt64s = first[both].astype(np.uint64) << np.uint64(32) | second[both].astype(np.uint64)
    return keys


def hash_pairs(pairs: UInt64s, bits: int) -> npt.NDArray[np.int64]:
    """Give each bigram a place in a table of 2^bits: int64 of shape (m,)."""
    return (mix(pairs, _PAIR_SEED) >> np.uint64(64 - bits)).astype(np.int64)


_PAIR_SEED = 0xB16
