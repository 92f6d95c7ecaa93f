import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.collocations import BigramAssocMeasures, BigramCollocationFinder

from vocab.count import count_ngrams
from vocab.entry import Entry
from vocab.select import pmi, select_bigrams, select_unigrams
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
    counts = count_ngrams([" ".join(words)])
    chosen = select_bigrams(counts.bigrams, counts.unigrams, counts.total_words, min_count=1)
    assert {entry.text: entry.pmi for entry in chosen} == expected


def test_words_are_frequent_and_have_a_letter() -> None:
    counts = {"dog": 100, "ant": 250, "bee": 250, "rare": 99, "1994": 999, "__": 999, "mp3": 120}
    assert [(entry.text, entry.count) for entry in select_unigrams(counts)] == [
        ("ant", 250),
        ("bee", 250),
        ("mp3", 120),
        ("dog", 100),
    ]


BIGRAMS = {"a b": 8, "b a": 8, "a c": 2, "c c": 4, "a rare": 9}
KEPT = {"a": 16, "b": 16, "c": 4}


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
    with pytest.raises(UserError, match="min_count is 0; give at least 1"):
        select_unigrams({}, min_count=0)
    with pytest.raises(UserError, match="min_count is 0; give at least 1"):
        select_bigrams({}, {}, 0, min_count=0)
