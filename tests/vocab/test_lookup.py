import hashlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocab import table
from vocab.lookup import QueryIndex, build_index
from vocab.vocabulary import write_vocabulary
from wit_builder.errors import UserError
from wit_builder.records import Query, QuerySource
from wit_builder.tokens import split_spaced, split_words, utf8

WORDS = st.sampled_from(["new", "york", "city", "dog", "é"])
QUERIES = st.lists(
    st.lists(WORDS, min_size=1, max_size=5).map(" ".join), min_size=1, max_size=12, unique=True
)
TEXTS = st.lists(st.lists(WORDS | st.just("other"), max_size=12).map(" ".join), max_size=6)


def _write(texts: list[str], folder: Path) -> str:
    queries = [Query(row, text, (QuerySource.UNIGRAM,)) for row, text in enumerate(texts)]
    return write_vocabulary(queries, str(folder))


def _index(texts: list[str]) -> QueryIndex:
    return QueryIndex.read(pa.py_buffer(build_index(texts, "d")), "index")


def _found(index: QueryIndex, texts: list[str]) -> list[list[int]]:
    offsets, ids = index.lookup(split_words(*utf8(texts)))
    assert [str(offsets.dtype), str(ids.dtype)] == ["int64", "int32"]
    return [ids[start:end].tolist() for start, end in pairwise(offsets)]


def _naive(queries: list[str], text: str) -> list[int]:
    return [row for row, query in enumerate(queries) if f" {query} " in f" {text} "]


@given(QUERIES, TEXTS)
def test_a_batch_finds_what_a_plain_search_finds(queries: list[str], texts: list[str]) -> None:
    assert _found(_index(queries), texts) == [_naive(queries, text) for text in texts]


# What MetaCLIP's rule treats in its own way, and entries that no vocabulary of ours has.
NASTY = st.text("ab, .;:?!`\t\n\r\x00é'-", max_size=12) | st.sampled_from(["longer words", "  a  ", "a  b"])


@given(st.lists(NASTY.filter(bool), min_size=1, max_size=12, unique=True), st.lists(NASTY, max_size=6))
def test_spaced_words_find_what_metaclips_rule_finds(entries: list[str], texts: list[str]) -> None:
    offsets, ids = _index(entries).lookup(split_spaced(*utf8(texts)))
    found = [ids[start:end].tolist() for start, end in pairwise(offsets)]
    assert found == [substring_matches(text, entries) for text in texts]


def substring_matches(text: str, entries: list[str]) -> list[int]:
    """MetaCLIP's published rule."""
    spaced = f" {text} "
    for mark in (",", ".", ";", ":", "?", "!", "`"):
        spaced = spaced.replace(mark, f" {mark} ")
    for blank in ("\t", "\n", "\r"):
        spaced = spaced.replace(blank, " ")
    return [entry_id for entry_id, entry in enumerate(entries) if f" {entry} " in spaced]


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
    assert _found(_index(CITIES), [text]) == [ids]


def test_a_run_does_not_cross_from_text_to_text() -> None:
    assert _found(_index(CITIES), ["new", "york", "", "city hall"]) == [[], [1], [], []]


def test_no_texts_give_no_ids() -> None:
    assert _found(_index(CITIES), []) == []


def test_the_same_queries_give_the_same_bytes() -> None:
    assert build_index(CITIES, "d") == build_index(list(CITIES), "d")
    [row] = pa.ipc.open_file(build_index(CITIES, "d")).read_all().to_pylist()
    assert hashlib.sha256(repr(row).encode()).hexdigest()[:16] == "df99d1a02f4f5476"  # else raise the version


def test_the_index_of_a_folder_is_opened_by_its_digest(tmp_path: Path) -> None:
    digest = _write(CITIES, tmp_path)
    index = QueryIndex.open(str(tmp_path), digest)
    assert index.digest == digest
    assert _found(index, ["new york"]) == [[1, 2]]
    table = pa.ipc.open_file(str(tmp_path / "matcher.arrow")).read_all()
    assert table.schema.metadata == {b"version": b"2", b"vocabulary": digest.encode(), b"max_words": b"6"}


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


@pytest.mark.parametrize("damage", ["cut", "empty", "header", "data", "version"])
def test_a_damaged_index_is_named(tmp_path: Path, damage: str) -> None:
    _write(CITIES, tmp_path)
    path = tmp_path / "matcher.arrow"
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "cut": whole[:-30],
            "empty": b"",
            "header": b"x" + whole[1:],
            "data": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "version": whole.replace(b'"version"', b'"Version"').replace(b"version", b"Version"),
        }[damage]
    )
    with pytest.raises(UserError, match=r"matcher\.arrow (is damaged|cannot be read): .*build` again"):
        QueryIndex.open(str(tmp_path))


def test_an_index_of_another_version_is_refused() -> None:
    index = build_index(CITIES, "d")
    for other in (index.replace(b"version", b"Version"), b"x" * 500, b""):
        with pytest.raises(UserError, match="i is not a matcher index of this version; run"):
            QueryIndex.read(pa.py_buffer(other), "i")


@pytest.mark.parametrize("queries", [["dog", "dog"], ["dog", ""]])
def test_a_query_stands_once_and_has_words(queries: list[str]) -> None:
    with pytest.raises(ValueError, match="a query stands twice or has no word"):
        build_index(queries, "d")


def test_two_words_with_one_hash_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_the_same(_data: Any, _edges: Any, _words: Any, slots: Any) -> None:
        slots[:] = 0

    monkeypatch.setattr(table, "add_words", all_the_same)
    with pytest.raises(UserError, match="'cat' and 'dog' have the same 95-bit hash; leave one out"):
        build_index(["dog", "cat"], "d")
