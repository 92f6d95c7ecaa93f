from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vocab.queries import SMALL, table
from vocab.statistics import VocabularyStatistics, describe, named_sources, rank_frequencies, source_bits
from wit_builder.records import Query, QuerySource

SOURCES = st.lists(st.sampled_from(list(QuerySource)), unique=True).map(
    lambda some: tuple(source for source in QuerySource if source in some)
)


def test_a_vocabulary_is_counted_in_four_ways() -> None:
    assert describe(table(SMALL)) == VocabularyStatistics(
        queries=6,
        by_source={"unigram": 3, "bigram": 1, "title": 2, "wordnet_lemma": 3},
        by_sources={
            "unigram": 2,
            "title": 1,
            "wordnet_lemma": 1,
            "unigram, wordnet_lemma": 1,
            "bigram, title, wordnet_lemma": 1,
        },
        by_words={1: 4, 2: 2},
        by_count={(1, 9): 1, (100, 999): 2, (1000, 9999): 1},
    )


def test_queries_without_a_source_were_imported() -> None:
    statistics = describe(table([Query(0, "dog", ()), Query(1, "cat", ())]))
    assert (statistics.by_source, statistics.by_sources) == ({}, {"imported": 2})
    assert statistics.by_count == {}


@given(st.lists(SOURCES))
def test_sources_are_the_bits_of_a_number(sources: list[tuple[QuerySource, ...]]) -> None:
    rows = table([Query(row, f"q{row}", some) for row, some in enumerate(sources)])
    assert [tuple(named_sources(bits)) for bits in source_bits(rows).tolist()] == sources
    assert source_bits(rows.slice(1)).tolist() == source_bits(rows).tolist()[1:]


@given(st.lists(st.none() | st.integers(1, 10**12), max_size=50))
def test_counts_fall_into_decades(counts: list[int | None]) -> None:
    rows = table([Query(row, f"q{row}", (), count=count) for row, count in enumerate(counts)])
    expected = Counter((10 ** (len(str(n)) - 1), 10 ** len(str(n)) - 1) for n in counts if n)
    assert describe(rows).by_count == dict(sorted(expected.items()))


@pytest.mark.parametrize(
    ("source", "ranks", "scores"),
    [
        (QuerySource.UNIGRAM, [1, 2, 3], [1200, 150, 9]),
        (QuerySource.TITLE, [1, 2], [90, 80]),
        (QuerySource.WORDNET_SYNSET, [], []),
    ],
)
def test_scores_are_ranked(source: QuerySource, ranks: list[int], scores: list[int]) -> None:
    assert [values.tolist() for values in rank_frequencies(table(SMALL), source)] == [ranks, scores]


def test_a_long_curve_is_thinned_out() -> None:
    rows = table([Query(row, f"q{row}", (QuerySource.UNIGRAM,), count=row + 1) for row in range(5000)])
    ranks, scores = rank_frequencies(rows, QuerySource.UNIGRAM)
    assert 200 < ranks.size <= 512
    assert (scores == 5001 - ranks).all()
    assert [ranks[0], ranks[-1]] == [1, 5000]
