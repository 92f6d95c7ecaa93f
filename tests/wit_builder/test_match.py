from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocab.lookup import QueryIndex
from vocab.vocabulary import write_vocabulary
from wit_builder import schemas
from wit_builder.hashing import uid_of
from wit_builder.match import QueryMatcher, match_batch
from wit_builder.records import Query, QuerySource
from wit_builder.text import tokenize

WORDS = ("a", "dog", "brown", "new", "york", "city", "of", "x", ",", "café")
QUERIES = ["dog", "brown dog", "new york city", "new york", "york", "of", "a dog a", "café"]


@pytest.fixture(scope="module")
def matcher(tmp_path_factory: pytest.TempPathFactory) -> QueryMatcher:
    folder = str(tmp_path_factory.mktemp("vocabulary"))
    write_vocabulary([Query(i, text, (QuerySource.UNIGRAM,)) for i, text in enumerate(QUERIES)], folder)
    return QueryMatcher(QueryIndex.open(folder))


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
