"""Vocabularies of others: lists of texts in, plain formats out."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from vocab import columns
from vocab.statistics import named_sources, source_bits
from wit_builder.errors import UserError
from wit_builder.records import Query
from wit_builder.text import query_key

FORMATS = ("json", "txt", "csv", "metaclip")


@dataclass(frozen=True, slots=True)
class QueryList:
    """Queries made of a list of texts."""

    queries: list[Query]
    """In the order of the list, without source or score."""
    empty: int
    """Texts without a word."""
    duplicates: int
    """Texts that fold to the same words as an earlier one."""


def read_list(name: str, content: bytes) -> list[str]:
    """Read a list of texts.

    Args:
        name: of its file: one that ends in .json is a JSON list, such as MetaCLIP's
            metadata; any other holds a text a line.
        content: of the file.

    Raises:
        UserError: it is not UTF-8, or no JSON list of texts.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{name} is not UTF-8 at byte {error.start}; convert it") from None
    if not name.endswith(".json"):
        return text.splitlines()
    try:
        texts = json.loads(text)
    except ValueError as error:
        raise UserError(f"{name} is not JSON ({error}); name a plain list otherwise, such as .txt") from None
    if not isinstance(texts, list):
        raise UserError(f"{name} holds a JSON {type(texts).__name__}; it must be a list of texts")
    for place, item in enumerate(texts):
        if not isinstance(item, str):
            raise UserError(f"item {place} of {name} is {item!r}; all must be texts")
    return texts


def make_queries(texts: Sequence[str]) -> QueryList:
    """Make queries of texts, each once, in the form in which they are matched."""
    keys = [query_key(text) for text in texts]
    distinct = [key for key in dict.fromkeys(keys) if key]
    empty = keys.count("")
    queries = [Query(row, key, ()) for row, key in enumerate(distinct)]
    return QueryList(queries, empty, len(keys) - empty - len(distinct))


def export(table: pa.Table, form: str) -> bytes:
    """Write queries in a plain format.

    Args:
        table: in `schemas.QUERY`.
        form: json, a list of objects with all fields; txt, a query a line; csv, all
            fields under their names, sources with `|` between; metaclip, a JSON list of
            the queries alone, as MetaCLIP's metadata.

    Returns:
        UTF-8; lines end in a newline.

    Raises:
        UserError: there is no such format.
    """
    if form not in FORMATS:
        raise UserError(f"no format {form!r}; use one of {', '.join(FORMATS)}")
    if form == "csv":
        return _csv(table)
    queries = table.column("query")
    if form == "txt":
        return columns.join(queries, "\n")
    rows = _quoted(queries) if form == "metaclip" else _objects(table)
    return b"[" + columns.join(rows, ", ").removesuffix(b", ") + b"]\n"


def _csv(table: pa.Table) -> bytes:
    place = table.column_names.index("sources")
    rows = table.set_column(place, "sources", _sources(table, "|".join))
    sink = pa.BufferOutputStream()
    csv.write_csv(rows, sink, csv.WriteOptions(quoting_style="none"))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _objects(table: pa.Table) -> pa.ChunkedArray:
    """Write a JSON object for each row."""
    written = {"query": _quoted(table.column("query")), "sources": _sources(table, json.dumps)}
    pieces: list[Any] = []
    for name in table.column_names:
        value = written.get(name)
        if value is None:
            value = pc.cast(table.column(name), pa.string()).fill_null("null")
        pieces += [", " if pieces else "{", f'"{name}": ', value]
    return _join(*pieces, "}")


def _sources(table: pa.Table, write: Callable[[list[str]], str]) -> pa.Array:
    """Write the sources of each query; there are few sets of them."""
    bits = source_bits(table)
    written = [write(named_sources(number)) for number in range(int(bits.max(initial=0)) + 1)]
    return pa.array(written).take(pa.array(bits))


def _quoted(strings: Any) -> Any:
    return _join('"', strings, '"')


def _join(*pieces: Any) -> Any:
    return pc.binary_join_element_wise(*pieces, "")
