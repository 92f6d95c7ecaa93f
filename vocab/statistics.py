"""What a vocabulary holds: counts of its queries by source, length and frequency."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wit_builder.records import QuerySource

NO_SOURCE = "imported"
"""What a query without a source is called: it came from a list."""

_POINTS = 512  # of a curve: more cannot be told apart

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class VocabularyStatistics:
    """Counts of queries."""

    queries: int
    by_source: Mapping[str, int]
    """A query of two sources counts for both."""
    by_sources: Mapping[str, int]
    """By all its sources, such as "unigram, wordnet_lemma": each query counts once."""
    by_words: Mapping[int, int]
    """By the number of words in it."""
    by_count: Mapping[tuple[int, int], int]
    """By occurrences in Wikipedia, in bins of 1 to 9, 10 to 99 …; only queries with a count."""


def describe(table: pa.Table) -> VocabularyStatistics:
    """Count the queries of a vocabulary.

    Args:
        table: in `schemas.QUERY`.
    """
    bits = source_bits(table)
    return VocabularyStatistics(
        queries=table.num_rows,
        by_source={
            source.value: int(np.count_nonzero(bits & (1 << place)))
            for place, source in enumerate(QuerySource)
            if np.any(bits & (1 << place))
        },
        by_sources={
            ", ".join(named_sources(int(value))) or NO_SOURCE: int(number)
            for value, number in zip(*np.unique(bits, return_counts=True), strict=True)
        },
        by_words=_histogram(pc.add(pc.count_substring(table.column("query"), " "), 1).to_numpy()),
        by_count=_decades(table.column("count").drop_null().to_numpy()),
    )


def source_bits(table: pa.Table) -> Int64s:
    """Give the sources of each query as a number: bit i stands for the i-th of `QuerySource`.

    Args:
        table: n queries in `schemas.QUERY`.

    Returns:
        int64 of shape (n,); 0 for a query without a source.
    """
    sources = table.column("sources").combine_chunks()
    values = pa.array([1 << place for place in range(len(QuerySource))])
    bits = values.take(pc.index_in(sources.flatten(), pa.array([s.value for s in QuerySource]))).to_numpy()
    before = np.append(0, np.cumsum(bits))
    offsets = sources.offsets.to_numpy() - sources.offsets[0].as_py()
    of_each: Int64s = np.diff(before[offsets])
    return of_each


def named_sources(bits: int) -> list[str]:
    """Name the sources that a number of `source_bits` stands for."""
    return [source.value for place, source in enumerate(QuerySource) if bits & (1 << place)]


def _histogram(values: Int64s) -> dict[int, int]:
    numbers = np.bincount(values) if values.size else np.empty(0, np.int64)
    return {value: int(number) for value, number in enumerate(numbers) if number}


def _decades(counts: Int64s) -> dict[tuple[int, int], int]:
    edges = 10 ** np.arange(19)
    return {
        (10 ** (decade - 1), 10**decade - 1): number
        for decade, number in _histogram(np.searchsorted(edges, counts, "right")).items()
        if decade
    }


def rank_frequencies(table: pa.Table, source: QuerySource) -> tuple[Int64s, Int64s]:
    """Give the scores of a source's queries by rank, thinned out for a figure with log axes.

    Args:
        table: in `schemas.QUERY`.
        source: whose score is page views (title) or occurrences (any other).

    Returns:
        Ranks from 1 and the scores at them, the largest first, shape (m,), at most 512.
    """
    bit = 1 << list(QuerySource).index(source)
    scores = table.column("pageviews" if source is QuerySource.TITLE else "count")
    of_source = scores.filter(pa.array(source_bits(table) & bit != 0)).drop_null().to_numpy()
    ranked = np.sort(of_source)[::-1]
    if not ranked.size:
        return ranked, ranked
    ranks = np.unique(np.geomspace(1, ranked.size, _POINTS).round().astype(np.int64))
    return ranks, ranked[ranks - 1]
