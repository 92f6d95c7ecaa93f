import os
import time
from itertools import pairwise
from pathlib import Path

import ahocorasick
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.metaclip import spacing
from vocab.lookup import QueryIndex
from vocab.vocabulary import write_vocabulary
from wit_builder import schemas
from wit_builder.hashing import uid_of
from wit_builder.match import QueryMatcher, Semantics, match_batch
from wit_builder.records import Query, QuerySource
from wit_builder.text import tokenize

WORDS = ("a", "dog", "brown", "new", "york", "city", "of", "x", ",", "café")
QUERIES = ["dog", "brown dog", "new york city", "new york", "york", "of", "a dog a", "café"]


def index_of(queries: list[str], folder: Path) -> QueryIndex:
    rows = [Query(row, text, (QuerySource.UNIGRAM,)) for row, text in enumerate(queries)]
    return QueryIndex.open(str(folder), write_vocabulary(rows, str(folder)))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> QueryIndex:
    return index_of(QUERIES, tmp_path_factory.mktemp("vocabulary"))


@pytest.fixture(scope="module")
def matcher(index: QueryIndex) -> QueryMatcher:
    return QueryMatcher(index)


def queries_in(text: str) -> list[int]:
    """The oracle: every run of words, compared with every query."""
    words = tokenize(text)
    runs = {" ".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, len(words) + 1)}
    return [number for number, query in enumerate(QUERIES) if query in runs]


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("A brown Dog!", ["dog", "brown dog"]),
        ("(dog)", ["dog"]),
        ("hotdog dogs", []),
        ("New York City of New York", ["new york city", "new york", "york", "of"]),
        ("a dog a dog a", ["dog", "a dog a"]),
        ("CAFE\u0301", ["café"]),
        ("brown, dog", ["dog", "brown dog"]),
        ("", []),
        ("🐶🐱👍🏽", []),
        ("\u0301\u0308", []),
        ("\u0301 dog", ["dog"]),
    ],
)
def test_queries_of(matcher: QueryMatcher, text: str, matched: list[str]) -> None:
    assert sorted(matched) == sorted(QUERIES[number] for number in matcher.match(text))


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=12)))
def test_batch_and_single_form_equal_the_oracle(matcher: QueryMatcher, texts: list[list[str]]) -> None:
    joined = [" ".join(words) for words in texts]
    offsets, ids = matcher.match_texts(joined)
    found = [ids[start:end].tolist() for start, end in pairwise(offsets)]
    assert found == [queries_in(text) for text in joined]
    assert found == [matcher.match(text) for text in joined]


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("a brown dog!", ["dog", "brown dog"]),
        ("Dog", []),
        ("(dog)", []),
        ("dog's", []),
        ("brown  dog", ["dog"]),
        ("new\tyork\ncity", ["new york city", "new york", "york"]),
        ("new york, city", ["new york", "york"]),
        ("caf\u00e9", ["café"]),
        ("cafe\u0301", []),
    ],
)
def test_queries_by_metaclips_rule(index: QueryIndex, text: str, matched: list[str]) -> None:
    found = QueryMatcher(index, Semantics.METACLIP).match(text)
    assert sorted(matched) == sorted(QUERIES[number] for number in found)


@pytest.mark.parametrize("semantics", Semantics)
@pytest.mark.parametrize("word", ["dog ", "Of,", "x" * 1_000 + " dog ", "e\u0301 dog ", "🐶", "\u0301", " "])
def test_a_text_of_10_mb_takes_seconds(index: QueryIndex, semantics: Semantics, word: str) -> None:
    matcher = QueryMatcher(index, semantics)
    text = word * (10_000_000 // len(word.encode()))
    started = time.monotonic()
    assert matcher.match(text) == matcher.match(word)
    assert time.monotonic() - started < 30


def test_missing_texts_match_nothing(matcher: QueryMatcher) -> None:
    offsets, ids = matcher.match_texts(pa.array(["a dog", None, "", "york"]))
    assert (offsets.tolist(), ids.tolist()) == ([0, 1, 1, 1, 2], [0, 4])


def test_a_batch_keeps_its_rows_and_tells_which_do_not_match(matcher: QueryMatcher) -> None:
    texts = ["a dog", "nothing", "york"]
    rows = [
        {
            "uid": uid_of("u", text),
            "url": "u",
            "text": text,
            "text_source": "alt",
            "page_url": "p",
            "archive": "a",
            "archive_offset": 0,
        }
        for text in texts
    ]
    pairs, reasons = match_batch(matcher, pa.RecordBatch.from_pylist(rows, schemas.CANDIDATE))
    assert pairs.schema == schemas.MATCHED_PAIR
    assert pairs.column("matched_query_ids").to_pylist() == [[0], [], [4]]
    assert pairs.column("selected_query_ids").to_pylist() == [[], [], []]
    assert reasons.to_pylist() == [None, "no_query", None]


DATA = os.environ.get("WIT_TEST_DATA")


@pytest.mark.skipif(not DATA, reason="WIT_TEST_DATA names no folder with captions/*.parquet, column TEXT")
@pytest.mark.parametrize("semantics", Semantics)
def test_captions_match_500k_queries_as_a_substring_search_finds(
    semantics: Semantics, tmp_path: Path
) -> None:
    captions = pq.read_table(f"{DATA}/captions").column("TEXT")
    queries = half_a_million_queries(captions.to_pylist())
    automaton = ahocorasick.Automaton()
    for query_id, query in enumerate(queries):
        automaton.add_word(f" {query} ", query_id)
    automaton.make_automaton()
    offsets, ids = QueryMatcher(index_of(queries, tmp_path), semantics).match_texts(captions)
    for row, text in enumerate(captions.to_pylist()):
        spaced = f" {' '.join(tokenize(text))} " if semantics is Semantics.WORDS else spacing(text)
        found = ids[offsets[row] : offsets[row + 1]].tolist()
        assert found == sorted({query_id for _, query_id in automaton.iter(spaced)}), text
        if row < 20:  # the rule to the letter, 30 ms a text
            assert found == [query_id for query_id, query in enumerate(queries) if f" {query} " in spaced]


def half_a_million_queries(texts: list[str]) -> list[str]:
    """Runs of up to three words of the texts, and made-up ones."""
    queries: dict[str, None] = {}
    for text in texts:
        words = tokenize(text)
        for start in range(len(words)):
            for end in range(start + 1, min(start + 3, len(words)) + 1):
                queries[" ".join(words[start:end])] = None
    made_up = (f"query {number} nowhere" for number in range(500_000))
    return [*queries, *made_up][:500_000]
