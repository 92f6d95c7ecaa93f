"""Merge the sources into one vocabulary.

Rows are ordered by source (words, bigrams, titles, WordNet), within a source by
its score, the largest first (count, PMI, page views), then by text. A query that
several sources give stands once, under the first of them, and names them all.

What goes when there are too many is another order: CLIP takes all frequent words
and all WordNet synsets, but sets its own thresholds for bigrams and titles. So
titles go first, the least viewed first, then bigrams, then WordNet, then words.
"""

from collections.abc import Iterable
from typing import TypeVar

from vocab.entry import Entry
from wit_builder.errors import UserError
from wit_builder.records import Query, QuerySource
from wit_builder.text import query_key

MAX_QUERIES = 500_000
"""Size of CLIP's query list."""

_Score = TypeVar("_Score", int, float)

_ROW_ORDER = tuple(QuerySource)
_KEEP_ORDER = (
    QuerySource.UNIGRAM,
    QuerySource.WORDNET_SYNSET,
    QuerySource.WORDNET_LEMMA,
    QuerySource.BIGRAM,
    QuerySource.TITLE,
)


def merge(entries: Iterable[Entry], max_queries: int = MAX_QUERIES) -> list[Query]:
    """Make the vocabulary: numbered queries, each text once.

    Texts are compared and stored in the form in which they are matched
    (`wit_builder.text.query_key`); a text without a word is left out. Of several
    scores of one kind a query has the largest. The order of `entries` has no effect.

    Args:
        entries: of all sources.
        max_queries: how many to keep at most, at least 1.

    Returns:
        Queries whose `query_id` is their position.

    Raises:
        UserError: `max_queries` is below 1.
    """
    if max_queries < 1:
        raise UserError(f"max_queries is {max_queries}; give at least 1")
    merged: dict[str, Query] = {}
    for entry in entries:
        if text := query_key(entry.text):
            merged[text] = _joined(merged.get(text), text, entry)
    kept = sorted(merged.values(), key=_keep_key)[:max_queries]
    kept.sort(key=_row_key)
    return [
        Query(row, query.query, query.sources, query.count, query.pmi, query.pageviews)
        for row, query in enumerate(kept)
    ]


def _joined(query: Query | None, text: str, entry: Entry) -> Query:
    if query is None:
        return Query(-1, text, (entry.source,), entry.count, entry.pmi, entry.pageviews)
    return Query(
        -1,
        text,
        tuple(sorted({*query.sources, entry.source}, key=_ROW_ORDER.index)),
        _largest(query.count, entry.count),
        _largest(query.pmi, entry.pmi),
        _largest(query.pageviews, entry.pageviews),
    )


def _largest(one: _Score | None, other: _Score | None) -> _Score | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


def _row_key(query: Query) -> tuple[int, float, str]:
    source = query.sources[0]
    return _ROW_ORDER.index(source), -_score(query, source), query.query


def _keep_key(query: Query) -> tuple[int, float, str]:
    source = min(query.sources, key=_KEEP_ORDER.index)
    return _KEEP_ORDER.index(source), -_score(query, source), query.query


def _score(query: Query, source: QuerySource) -> float:
    scores = {
        QuerySource.UNIGRAM: query.count,
        QuerySource.BIGRAM: query.pmi,
        QuerySource.TITLE: query.pageviews,
    }
    return scores.get(source) or 0.0
