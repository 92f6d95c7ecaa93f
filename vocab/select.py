"""Choose the words and bigrams that become queries."""

import math
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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


def frequent_words(counts: pa.Table, min_count: int = MIN_COUNT) -> pa.Table:
    """Keep every word that is frequent enough and has a letter.

    Args:
        counts: of words, in `schemas.NGRAM`.
        min_count: occurrences, at least 1.

    Returns:
        In `schemas.NGRAM`, sorted by text.

    Raises:
        UserError: `min_count` is below 1.
    """
    _require_positive("min_count", min_count)
    frequent = counts.filter(pc.greater_equal(counts.column("count"), min_count)).sort_by("text")
    return frequent.filter(pa.array(map(is_word, frequent.column("text").to_pylist()), pa.bool_()))


def select_unigrams(words: pa.Table) -> list[Entry]:
    """Make queries of words.

    Args:
        words: of `frequent_words`.

    Returns:
        By count, the largest first, then by text.
    """
    rows = words.sort_by([("count", "descending"), ("text", "ascending")])
    return [Entry(word, QuerySource.UNIGRAM, count=count) for word, count in _pairs(rows)]


def select_numbers(counts: pa.Table) -> list[Entry]:
    """Make queries of the numbers 0 to 99, whatever their count.

    Args:
        counts: of words, in `schemas.NGRAM`.
    """
    numbers = [str(number) for number in range(100)]
    found = dict(_pairs(counts.filter(pc.is_in(counts.column("text"), pa.array(numbers)))))
    return [Entry(number, QuerySource.UNIGRAM, count=found.get(number)) for number in numbers]


def select_bigrams(
    bigrams: pa.Table,
    words: pa.Table,
    total_words: int,
    *,
    min_count: int = MIN_COUNT,
    min_pmi: float = -math.inf,
    max_bigrams: int | None = None,
) -> list[Entry]:
    """Choose the bigrams whose words belong together most.

    Args:
        bigrams: in `schemas.NGRAM`, the two words with a space between.
        words: that are queries themselves, of `frequent_words`; a bigram with another
            word is left out (rare words have the highest PMI, by chance).
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
    bigrams = bigrams.filter(pc.greater_equal(bigrams.column("count"), min_count))
    both = pc.split_pattern(bigrams.column("text").combine_chunks(), " ").flatten()
    places = pc.index_in(both, words.column("text").combine_chunks()).to_numpy(zero_copy_only=False)
    places = places.reshape(-1, 2)  # NaN: no query
    known = ~np.isnan(places).any(axis=1)
    counts = words.column("count").to_numpy()[places[known].astype(np.int64)]
    bigrams = bigrams.filter(pa.array(known))
    pairs = zip(bigrams.column("count").to_pylist(), *counts.T.tolist(), strict=True)
    scores = [pmi(pair, first, second, total_words) for pair, first, second in pairs]
    scored = bigrams.append_column("pmi", pa.array(scores, pa.float64()))
    scored = scored.filter(pc.greater_equal(scored.column("pmi"), min_pmi))
    best = scored.sort_by([("pmi", "descending"), ("text", "ascending")]).slice(0, max_bigrams)
    return [
        Entry(row["text"], QuerySource.BIGRAM, count=row["count"], pmi=row["pmi"]) for row in best.to_pylist()
    ]


def _pairs(ngrams: pa.Table) -> Iterator[tuple[str, int]]:
    return zip(ngrams.column("text").to_pylist(), ngrams.column("count").to_pylist(), strict=True)


def _require_positive(name: str, value: int) -> None:
    if value < 1:
        raise UserError(f"{name} is {value}; give at least 1")
