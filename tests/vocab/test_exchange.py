import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vocab.queries import SMALL, table
from vocab.exchange import export, make_queries, read_list
from wit_builder.errors import UserError
from wit_builder.records import Query
from wit_builder.text import query_key


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("list.txt", b"dog\nNew York\r\n\ncaf\xc3\xa9", ["dog", "New York", "", "café"]),
        ("list", b'\xef\xbb\xbf["dog"]\n', ['["dog"]']),
        ("list.json", b'["dog", "caf\\u00e9"]', ["dog", "café"]),
        ("list.txt", b"", []),
    ],
)
def test_lists_are_lines_or_json(name: str, content: bytes, texts: list[str]) -> None:
    assert read_list(name, content) == texts


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"dog\nc\xe9", "a.txt is not UTF-8 at byte 5; convert it"),
        ("a.json", b"dog", r"a.json is not JSON \(Expecting value.*\); name a plain list otherwise"),
        ("a.json", b'{"dog": 1}', "a.json holds a JSON dict; it must be a list of texts"),
        ("a.json", b'["dog", 7]', "item 1 of a.json is 7; all must be texts"),
    ],
)
def test_what_is_no_list_is_named(name: str, content: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_list(name, content)


def test_queries_are_folded_and_stand_once() -> None:
    made = make_queries(["Dog", "!!", "New-York", "dog", "", "new york's", "cat"])
    assert made.queries == [Query(0, "dog", ()), Query(1, "new york", ()), Query(2, "cat", ())]
    assert (made.empty, made.duplicates) == (2, 2)


def test_json_and_csv_hold_every_field() -> None:
    rows = table([*SMALL, Query(6, "imported", ())]).to_pylist()
    assert json.loads(export(table([*SMALL, Query(6, "imported", ())]), "json")) == rows
    sheet = list(csv.DictReader(io.StringIO(export(table(SMALL), "csv").decode())))
    assert list(sheet[0]) == ["query_id", "query", "sources", "count", "pmi", "pageviews"]
    assert list(sheet[2].values()) == ["2", "new york", "bigram|title|wordnet_lemma", "120", "7.5", "90"]
    assert list(sheet[4].values()) == ["4", "café", "wordnet_lemma", "", "", ""]


def test_the_plain_formats_hold_the_queries_alone() -> None:
    texts = [query.query for query in SMALL]
    assert export(table(SMALL), "txt").decode() == "dog\nyork\nnew york\ndog days\ncafé\ndon't\n"
    assert json.loads(export(table(SMALL), "metaclip")) == texts


@given(st.lists(st.text().map(query_key).filter(bool), unique=True, min_size=1))
def test_any_query_comes_back(texts: list[str]) -> None:
    rows = table([Query(row, text, ()) for row, text in enumerate(texts)])
    assert json.loads(export(rows, "metaclip")) == texts
    assert [row["query"] for row in json.loads(export(rows, "json"))] == texts
    assert [query.query for query in make_queries(read_list("q.txt", export(rows, "txt"))).queries] == texts


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(UserError, match=re.escape("no format 'xml'; use one of json, txt, csv, metaclip")):
        export(table(SMALL), "xml")
