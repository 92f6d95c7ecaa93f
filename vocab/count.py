"""Count the words and the word pairs of plain text.

A bigram is two neighbouring words with nothing between them but blanks,
hyphens or apostrophes. Any other sign and the end of a line end the phrase, so
no bigram crosses a comma, a bracket, a sentence or a paragraph.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import regex

from wit_builder.text import normalize, tokenize

# \u2010 and \u2011 are the two hyphens; longer dashes end a phrase. Normalising
# has made a plain blank of the no-break space and a plain sign of each apostrophe.
_PHRASE_END = regex.compile(r"[^\w' \t\-\u2010\u2011]+")


@dataclass(slots=True)
class NgramCounts:
    """Occurrences of words and bigrams in some texts."""

    unigrams: Counter[str] = field(default_factory=Counter)
    bigrams: Counter[str] = field(default_factory=Counter)
    """Keyed by the two words with one space between."""

    @property
    def total_words(self) -> int:
        """Occurrences of all words together: the N of `vocab.select.pmi`."""
        return self.unigrams.total()

    def add(self, text: str) -> None:
        """Count one text."""
        for words in phrases(text):
            self.unigrams.update(words)
            self.bigrams.update(map(" ".join, pairwise(words)))


def phrases(text: str) -> list[list[str]]:
    """Split a text into runs of words; only neighbours in a run make a bigram.

    Returns:
        The words of `wit_builder.text.tokenize`, in order, run by run.
    """
    pieces = map(tokenize, _PHRASE_END.split(normalize(text)))
    return [words for words in pieces if words]


def count_ngrams(texts: Iterable[str]) -> NgramCounts:
    """Count the words and bigrams of many texts, held in memory.

    Counts of parts add up (`Counter` sums), so a distributed count is the same.
    """
    counts = NgramCounts()
    for text in texts:
        counts.add(text)
    return counts
