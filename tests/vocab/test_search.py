import fnmatch
import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vocab.queries import SMALL, table
from vocab.search import contained, near_spellings, sample, search
from wit_builder.errors import UserError
from wit_builder.records import Query, QuerySource
from wit_builder.text import query_key

TEXTS = ["dog", "york", "new york", "dog days", "café", "don't", "a_b", "100"]
SIGNS = st.text(alphabet="ab_é 1%\\", min_size=1, max_size=6)


def found(pattern: str, *, regex: bool = False) -> list[str]:
    return [TEXTS[row] for row in search(pa.chunked_array([TEXTS]), pattern, regex=regex)]


@pytest.mark.parametrize(
    ("pattern", "queries"),
    [
        ("dog", ["dog", "dog days"]),
        ("DOG-d", ["dog days"]),
        ("Cafe\u0301", ["café"]),
        ("don’", ["don't"]),
        ("cat", []),
        ("*york", ["york", "new york"]),
        ("?og", ["dog"]),
        ("caf?", ["café"]),
        ("d*s", ["dog days"]),
        ("a_b", ["a_b"]),
        ("?_?", ["a_b"]),
        ("*%*", []),
    ],
)
def test_a_plain_pattern_is_a_beginning_and_a_glob_is_the_whole(pattern: str, queries: list[str]) -> None:
    assert found(pattern) == queries


@given(st.lists(SIGNS, unique=True, max_size=8), SIGNS.map(lambda text: f"*{text[:-1]}?"))
def test_globs_find_what_fnmatch_finds(texts: list[str], glob: str) -> None:
    rows = search(pa.chunked_array([pa.array(texts, pa.string())]), glob)
    assert [texts[row] for row in rows] == [text for text in texts if fnmatch.fnmatchcase(text, glob)]


@pytest.mark.parametrize(
    ("regex", "queries"),
    [
        ("^dog", ["dog", "dog days"]),
        ("YORK$", ["york", "new york"]),
        (r"^\S+ \S+$", ["new york", "dog days"]),
        ("^.{4}$", ["york", "café"]),
    ],
)
def test_a_regular_expression_is_found_anywhere(regex: str, queries: list[str]) -> None:
    assert found(regex, regex=True) == queries


@pytest.mark.parametrize(
    ("pattern", "regex", "message"),
    [
        ("", False, "the pattern is empty; give the beginning of a query"),
        ("(dog", True, r"'\(dog' is no regular expression \(missing \): \(dog\); use RE2's syntax"),
        (r"(d)\1", True, "is no regular expression .invalid escape sequence"),
    ],
)
def test_a_wrong_pattern_is_named(pattern: str, regex: bool, message: str) -> None:
    with pytest.raises(UserError, match=message):
        found(pattern, regex=regex)


WORDS = st.sampled_from(["new", "york", "city", "dog's", "é", "other", "-"])


@given(
    st.lists(st.lists(WORDS, min_size=1, max_size=4).map(" ".join).map(query_key).filter(bool), unique=True),
    st.lists(WORDS, max_size=12).map(" ".join),
)
def test_one_text_contains_what_a_plain_search_finds(queries: list[str], text: str) -> None:
    found = contained(pa.chunked_array([pa.array(queries, pa.string())]), text)
    assert found.tolist() == [
        row for row, query in enumerate(queries) if f" {query} " in f" {query_key(text)} "
    ]


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("retreiver", ["retriever", "retrieved"]),
        ("Golden-Retriver", ["golden retriever"]),
        ("retrievers", ["retriever", "retrieved"]),
        ("accordion", []),
    ],
)
def test_near_spellings_are_suggested(text: str, near: list[str]) -> None:
    texts = pa.chunked_array([["retriever", "golden retriever", "retrieved", "river", "r", "dog"]])
    assert near_spellings(texts, text) == near


MANY = table(
    [
        Query(row, f"query {row}", (QuerySource.TITLE if row % 10 else QuerySource.BIGRAM,))
        for row in range(1000)
    ]
)


def test_a_sample_holds_the_smaller_ones() -> None:
    assert sample(MANY, 5).tolist() == sample(MANY, 100).tolist()[:5]
    assert sample(MANY, 5).tolist() == [847, 146, 214, 893, 779]
    assert sample(MANY, 5, seed=1).tolist() != sample(MANY, 5).tolist()
    assert sorted(sample(MANY, 2000).tolist()) == list(range(1000))


def test_a_sample_does_not_depend_on_row_numbers() -> None:
    chosen = MANY.column("query").take(sample(MANY, 20)).to_pylist()
    turned = MANY.take(list(reversed(range(1000))))
    assert turned.column("query").take(sample(turned, 20)).to_pylist() == chosen


def test_a_sample_is_of_a_source() -> None:
    assert all(row % 10 == 0 for row in sample(MANY, 50, source="bigram"))
    assert sorted(sample(table(SMALL), 50, source="title").tolist()) == [2, 3]
    assert sample(table(SMALL), 5, source="wordnet_synset").tolist() == []


@pytest.mark.parametrize(
    ("size", "source", "message"),
    [
        (0, None, "size is 0; give at least 1"),
        (1, "titles", re.escape("no source 'titles'; use one of unigram, bigram, title")),
    ],
)
def test_a_wrong_sample_is_named(size: int, source: str | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        sample(MANY, size, source=source)
