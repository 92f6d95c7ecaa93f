import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocab.entry import Entry
from vocab.merge import merge
from wit_builder.errors import UserError
from wit_builder.records import Query, QuerySource

UNIGRAM, BIGRAM, TITLE, SYNSET, LEMMA = QuerySource
ENTRIES = [
    Entry("domestic dog", LEMMA),
    Entry("Dog", SYNSET),
    Entry("zebra", SYNSET),
    Entry("New York", TITLE, pageviews=90),
    Entry("NEW-YORK!", TITLE, pageviews=70),
    Entry("Alien", TITLE, pageviews=80),
    Entry("Beetle", TITLE, pageviews=80),
    Entry("new york", BIGRAM, count=30, pmi=7.5),
    Entry("of the", BIGRAM, count=900, pmi=0.5),
    Entry("the", UNIGRAM, count=1000),
    Entry("dog", UNIGRAM, count=200),
    Entry("!!", TITLE, pageviews=999),
]


def test_rows_by_source_then_score_then_text_with_all_sources_and_scores() -> None:
    assert merge(ENTRIES) == [
        Query(0, "the", (UNIGRAM,), count=1000),
        Query(1, "dog", (UNIGRAM, SYNSET), count=200),
        Query(2, "new york", (BIGRAM, TITLE), count=30, pmi=7.5, pageviews=90),
        Query(3, "of the", (BIGRAM,), count=900, pmi=0.5),
        Query(4, "alien", (TITLE,), pageviews=80),
        Query(5, "beetle", (TITLE,), pageviews=80),
        Query(6, "zebra", (SYNSET,)),
        Query(7, "domestic dog", (LEMMA,)),
    ]


@pytest.mark.parametrize(
    ("limit", "left_out"),
    [
        (8, set()),
        (7, {"beetle"}),
        (6, {"beetle", "alien"}),
        (5, {"beetle", "alien", "of the"}),
        (4, {"beetle", "alien", "of the", "new york"}),
        (3, {"beetle", "alien", "of the", "new york", "domestic dog"}),
        (1, {"beetle", "alien", "of the", "new york", "domestic dog", "zebra", "dog"}),
    ],
)
def test_titles_go_first_then_bigrams_then_wordnet(limit: int, left_out: set[str]) -> None:
    everything, kept = merge(ENTRIES), merge(ENTRIES, limit)
    assert {query.query for query in everything} - {query.query for query in kept} == left_out
    assert [query.query_id for query in kept] == list(range(limit))


@given(st.permutations(ENTRIES), st.integers(1, 9))
def test_the_order_of_the_entries_has_no_effect(entries: list[Entry], limit: int) -> None:
    assert merge(entries, limit) == merge(ENTRIES, limit)


def test_no_room_is_refused() -> None:
    with pytest.raises(UserError, match="max_queries is 0; give at least 1"):
        merge(ENTRIES, 0)
