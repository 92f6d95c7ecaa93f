from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocab import runs
from vocab.lookup import QueryIndex, build_index
from vocab.vocabulary import write_vocabulary
from wit_builder.errors import UserError
from wit_builder.records import Query, QuerySource
from wit_builder.text import tokenize

WORDS = st.sampled_from(["new", "york", "city", "dog", "é"])
QUERIES = st.lists(
    st.lists(WORDS, min_size=1, max_size=5).map(" ".join), min_size=1, max_size=12, unique=True
)
TEXTS = st.lists(st.lists(WORDS | st.just("other"), max_size=12), max_size=6)


def _write(texts: list[str], folder: Path) -> str:
    queries = [Query(row, text, (QuerySource.UNIGRAM,)) for row, text in enumerate(texts)]
    return write_vocabulary(queries, str(folder))


def _index(texts: list[str]) -> QueryIndex:
    table = pa.ipc.open_file(build_index(texts, "d")).read_all()
    hashes, query_ids, goes_on = (column.to_numpy() for column in table.columns)
    return QueryIndex(hashes, query_ids, goes_on, "d")


def _naive(queries: list[str], tokens: list[str]) -> list[int]:
    text = f" {' '.join(tokens)} "
    return [row for row, query in enumerate(queries) if f" {query} " in text]


@given(QUERIES, TEXTS)
def test_a_batch_finds_what_a_plain_search_finds(queries: list[str], texts: list[list[str]]) -> None:
    index = _index(queries)
    offsets, ids = index.lookup(texts)
    assert [str(offsets.dtype), str(ids.dtype)] == ["int64", "int32"]
    expected = [_naive(queries, tokens) for tokens in texts]
    assert np.diff(offsets).tolist() == [len(found) for found in expected]
    assert ids.tolist() == [query_id for found in expected for query_id in found]
    assert [index.lookup_one(tokens) for tokens in texts] == expected


CITIES = ["new york city", "york", "new york", "york city hall", "hall of new york city fame"]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("New York", [1, 2]),
        ("new-york CITY, hall", [0, 1, 2, 3]),
        ("york york, York's", [1]),
        ("new york new york", [1, 2]),
        ("the hall of new york city fame", [0, 1, 2, 4]),
        ("the hall of new york city", [0, 1, 2]),
        ("yorkshire", []),
        ("", []),
    ],
)
def test_nested_overlapping_and_repeated_queries_all_count_once(text: str, ids: list[int]) -> None:
    assert _index(CITIES).lookup_one(tokenize(text)) == ids


def test_a_run_does_not_cross_from_text_to_text() -> None:
    offsets, ids = _index(CITIES).lookup([["new"], ["york"], [], ["city", "hall"]])
    assert (offsets.tolist(), ids.tolist()) == ([0, 0, 1, 1, 1], [1])


def test_no_texts_give_no_ids() -> None:
    offsets, ids = _index(CITIES).lookup([])
    assert (offsets.tolist(), ids.tolist()) == ([0], [])


def test_the_index_of_a_folder_is_opened_by_its_digest(tmp_path: Path) -> None:
    digest = _write(CITIES, tmp_path)
    index = QueryIndex.open(str(tmp_path), digest)
    assert index.digest == digest
    assert index.lookup_one(["new", "york"]) == [1, 2]
    table = pa.ipc.open_file(str(tmp_path / "matcher.arrow")).read_all()
    assert table.schema.metadata == {b"version": b"1", b"vocabulary": digest.encode(), b"max_words": b"6"}


def test_the_index_of_another_vocabulary_is_refused(tmp_path: Path) -> None:
    _write(CITIES, tmp_path)
    with pytest.raises(
        UserError, match=r"matcher\.arrow belongs to the vocabulary [0-9a-f]{12}, not aaaaaaaaaaaa; "
    ):
        QueryIndex.open(str(tmp_path), "a" * 64)


def test_a_missing_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no finished vocabulary"):
        QueryIndex.open(str(tmp_path))
    _write(CITIES, tmp_path)
    (tmp_path / "matcher.arrow").unlink()
    with pytest.raises(UserError, match=r"matcher\.arrow cannot be read"):
        QueryIndex.open(str(tmp_path))


def test_a_damaged_or_foreign_index_is_named(tmp_path: Path) -> None:
    _write(CITIES, tmp_path)
    whole = (tmp_path / "matcher.arrow").read_bytes()
    for damaged in (b"", whole[:-30], b"x" * 500):
        (tmp_path / "matcher.arrow").write_bytes(damaged)
        with pytest.raises(UserError, match=r"matcher\.arrow cannot be read"):
            QueryIndex.open(str(tmp_path))
    with pa.ipc.new_file(str(tmp_path / "matcher.arrow"), pa.schema([("hash", pa.uint64())])):
        pass
    with pytest.raises(UserError, match="not a matcher index of this version"):
        QueryIndex.open(str(tmp_path))


@pytest.mark.parametrize("queries", [["dog", "dog"], ["dog", ""]])
def test_a_query_stands_once_and_has_words(queries: list[str]) -> None:
    with pytest.raises(ValueError, match="a query stands twice or has no word"):
        build_index(queries, "d")


def test_two_queries_with_one_hash_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "hash_runs", lambda texts: np.full(len(texts), 7, np.uint64))
    with pytest.raises(UserError, match="'cat' and 'dog' have the same 64-bit hash; leave one out"):
        build_index(["dog", "cat"], "d")
