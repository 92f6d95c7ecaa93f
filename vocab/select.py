"""Choose the words and bigrams that become queries."""

import heapq
import math
from collections.abc import Mapping

from vocab.entry import Entry
from wit_builder.errors import UserError
from wit_builder.records import QuerySource

MIN_COUNT = 100
"""CLIP's "all words occurring at least 100 times in the English version of Wikipedia"."""


def pmi(pair: int, first: int, second: int, total: int) -> float:
    """Pointwise mutual information of a bigram.

    log2(p(xy) / (p(x) p(y))) with every probability over the same N, the number
    of words: Manning and Schütze 1999, section 5.4, as NLTK computes it.

    Args:
        pair: occurrences of the bigram.
        first: occurrences of its first word.
        second: occurrences of its second word.
        total: occurrences of all words.

    Returns:
        Bits; at most log2(total / pair).
    """
    return math.log2(pair * total) - math.log2(first * second)


def is_word(token: str) -> bool:
    """Tell whether a token can be a query of its own: it has a letter.

    Numbers ("1994", "20_000") are no words: they would match prices and dates.
    """
    return any(character.isalpha() for character in token)


def select_unigrams(counts: Mapping[str, int], min_count: int = MIN_COUNT) -> list[Entry]:
    """Choose every word that is frequent enough and has a letter.

    Args:
        counts: occurrences by word.
        min_count: occurrences, at least 1.

    Returns:
        By count, the largest first, then by text.

    Raises:
        UserError: `min_count` is below 1.
    """
    _require_positive("min_count", min_count)
    chosen = [(-n, word) for word, n in counts.items() if n >= min_count and is_word(word)]
    return [Entry(word, QuerySource.UNIGRAM, count=-n) for n, word in sorted(chosen)]


def select_bigrams(
    bigrams: Mapping[str, int],
    words: Mapping[str, int],
    total_words: int,
    *,
    min_count: int = MIN_COUNT,
    min_pmi: float = -math.inf,
    max_bigrams: int | None = None,
) -> list[Entry]:
    """Choose the bigrams whose words belong together most.

    Args:
        bigrams: occurrences, by the two words with a space between.
        words: occurrences of the words that are queries themselves; a bigram with
            another word is left out (rare words have the highest PMI, by chance).
        total_words: occurrences of all words, the rare ones too.
        min_count: occurrences of the bigram, at least 1.
        min_pmi: bits. Over N words, with a count of at least c, none exceeds log2(N / c).
        max_bigrams: how many to keep at most; None keeps all.

    Returns:
        By PMI, the largest first, then by text.

    Raises:
        UserError: `min_count` is below 1.
    """
    _require_positive("min_count", min_count)
    scored = []
    for text, count in bigrams.items():
        first, _, second = text.partition(" ")
        if count >= min_count and first in words and second in words:
            score = pmi(count, words[first], words[second], total_words)
            if score >= min_pmi:
                scored.append((-score, text, count))
    best = heapq.nsmallest(len(scored) if max_bigrams is None else max_bigrams, scored)
    return [Entry(text, QuerySource.BIGRAM, count=count, pmi=-score) for score, text, count in best]


def _require_positive(name: str, value: int) -> None:
    if value < 1:
        raise UserError(f"{name} is {value}; give at least 1")
