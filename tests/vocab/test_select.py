from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.collocations import BigramAssocMeasures, BigramCollocationFinder

from tests.vocab.ngrams import ngrams
from vocab.entry import Entry
from vocab.select import frequent_words, pmi, select_bigrams, select_numbers, select_unigrams
from wit_builder.errors import UserError
from wit_builder.records import QuerySource

WORDS = st.lists(st.sampled_from(["new", "york", "city", "of", "dog"]), min_size=2, max_size=60)


def test_pmi_is_in_bits() -> None:
    assert pmi(pair=10, first=10, second=10, total=640) == pytest.approx(6.0)
    assert pmi(pair=4, first=16, second=8, total=32) == 0.0


@given(WORDS)
def test_pmi_is_that_of_nltk(words: list[str]) -> None:
    finder = BigramCollocationFinder.from_words(words)
    expected = {" ".join(pair): score for pair, score in finder.score_ngrams(BigramAssocMeasures.pmi)}
    kept = frequent_words(ngrams(Counter(words)), 1)
    bigrams = ngrams(Counter(map(" ".join, pairwise(words))))
    chosen = select_bigrams(bigrams, kept, len(words), min_count=1)
    assert {entry.text: entry.pmi for entry in chosen} == expected


def test_words_are_frequent_and_have_a_letter() -> None:
    counts = {"dog": 100, "ant": 250, "bee": 250, "rare": 99, "1994": 999, "__": 999, "mp3": 120}
    chosen = select_unigrams(frequent_words(ngrams(counts)))
    assert [(entry.text, entry.count) for entry in chosen] == [
        ("ant", 250),
        ("bee", 250),
        ("mp3", 120),
        ("dog", 100),
    ]


def test_numbers_are_queries_whatever_their_count() -> None:
    chosen = select_numbers(ngrams({"7": 12, "dog": 100, "100": 900}))
    assert [entry.text for entry in chosen] == [str(number) for number in range(100)]
    assert [entry.count for entry in chosen[6:9]] == [None, 12, None]


BIGRAMS = ngrams({"a b": 8, "b a": 8, "a c": 2, "c c": 4, "a rare": 9})
KEPT = ngrams({"a": 16, "b": 16, "c": 4})


def test_bigrams_by_pmi_then_text_of_kept_words_only() -> None:
    assert select_bigrams(BIGRAMS, KEPT, 64, min_count=2) == [
        Entry("c c", QuerySource.BIGRAM, count=4, pmi=4.0),
        Entry("a b", QuerySource.BIGRAM, count=8, pmi=1.0),
        Entry("a c", QuerySource.BIGRAM, count=2, pmi=1.0),
        Entry("b a", QuerySource.BIGRAM, count=8, pmi=1.0),
    ]


def test_bigrams_can_be_limited_by_count_pmi_and_number() -> None:
    def texts(**limits: float) -> list[str]:
        return [entry.text for entry in select_bigrams(BIGRAMS, KEPT, 64, **limits)]  # type: ignore[arg-type]

    assert texts(min_count=3) == ["c c", "a b", "b a"]
    assert texts(min_count=2, max_bigrams=2) == ["c c", "a b"]
    assert texts(min_count=2, min_pmi=2.0) == ["c c"]
    assert texts(min_count=2, max_bigrams=0) == []


def test_a_count_below_one_is_refused() -> None:
    assert select_bigrams(ngrams({}), ngrams({}), 0) == []
    with pytest.raises(UserError, match="min_count is 0; give at least 1"):
        frequent_words(ngrams({}), min_count=0)
    with pytest.raises(UserError, match="min_count is 0; give at least 1"):
        select_bigrams(ngrams({}), ngrams({}), 0, min_count=0)
