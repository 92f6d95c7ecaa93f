"""Highlight the queries of a vocabulary in texts."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

import pyarrow as pa

from pipelines.answer import JSON_HELP, Answer, Marked
from pipelines.cli import main_of
from pipelines.options import option
from vocab.highlight import find_spans, join_spans
from vocab.search import contained
from vocab.vocabulary import Vocabulary, open_vocabulary
from wit_builder.errors import UserError
from wit_builder.parts import read_batches

_TEXTS_AT_ONCE = 1_000


@dataclass(frozen=True, kw_only=True)
class MatchOptions:
    """Options of `wit vocab match`."""

    vocabulary: str = option("Folder of the vocabulary.", path=True, argument=True)
    text: tuple[str, ...] = option(
        "Words of one text. Without any, standard input is read, a text a line.", (), argument=True
    )
    parquet: str | None = option("Read the texts of this Parquet file.", None, path=True)
    column: str = option("Name of its column of texts.", "text")
    json: bool = option(JSON_HELP, False)

    def __post_init__(self) -> None:
        if self.text and self.parquet is not None:
            raise UserError(f"both a text and --parquet {self.parquet} are given; leave one out")


def run(options: MatchOptions) -> Iterator[Answer]:
    """Tell of one text after the other which queries it contains, and where.

    Raises:
        UserError: the vocabulary is missing or damaged, or the texts cannot be read.
    """
    vocabulary = open_vocabulary(options.vocabulary)
    if options.text:
        text = " ".join(options.text)
        yield _answer(text, contained(vocabulary.table.column("query"), text).tolist(), vocabulary)
        return
    texts = _lines() if options.parquet is None else _column(options.parquet, options.column)
    for text, ids in _match(texts, vocabulary):
        yield _answer(text, ids, vocabulary)


def _match(texts: Iterator[str], vocabulary: Vocabulary) -> Iterator[tuple[str, list[int]]]:
    """Give the ids of the queries in many texts."""
    from vocab.lookup import QueryIndex  # compiled code: a second that one text does without
    from wit_builder.match import QueryMatcher

    matcher = QueryMatcher(QueryIndex.open(vocabulary.folder, vocabulary.digest))
    while some := list(islice(texts, _TEXTS_AT_ONCE)):
        offsets, ids = matcher.match_texts(some)
        for text, (start, end) in zip(some, pairwise(offsets.tolist()), strict=True):
            yield text, ids[start:end].tolist()


def _answer(text: str, ids: list[int], vocabulary: Vocabulary) -> Answer:
    queries: list[str] = vocabulary.table.column("query").take(pa.array(ids, pa.int32())).to_pylist()
    spans = join_spans(find_spans(text, queries))
    facts = {"text": text, "query_ids": ids, "queries": queries, "spans": spans}
    return Answer(facts, [Marked(text, spans), f"  queries: {', '.join(queries) or 'none'}"])


def _column(path: str, name: str) -> Iterator[str]:
    for batch in read_batches([path], [name], _TEXTS_AT_ONCE):
        if name not in batch.schema.names:
            raise UserError(f"{path} has no column {name!r}; `wit inspect {path}` lists them: use --column")
        column = batch.column(name)
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            raise UserError(f"column {name!r} of {path} holds {column.type}; name one of texts with --column")
        yield from (text or "" for text in column.to_pylist())


def _lines() -> Iterator[str]:
    for number, line in enumerate(sys.stdin.buffer, 1):
        try:
            yield line.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise UserError(f"line {number} of standard input is not UTF-8; convert it") from None


if __name__ == "__main__":
    main_of("pipelines.vocab.match")
