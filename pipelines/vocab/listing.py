"""Queries as rows for people and as JSON."""

from collections.abc import Sequence
from typing import Any

from pipelines.answer import Listing
from wit_builder.records import Query

_COLUMNS = ("id", "query", "sources", "count", "PMI", "views")


def list_queries(title: str, queries: Sequence[Query]) -> Listing:
    """Lay queries out, a row each."""
    rows = [
        (query.query_id, query.query, ", ".join(query.sources), query.count, query.pmi, query.pageviews)
        for query in queries
    ]
    return Listing(title, _COLUMNS, rows)


def query_facts(query: Query) -> dict[str, Any]:
    """Give the fields of a query by name, as `queries.parquet` has them."""
    return {
        "query_id": query.query_id,
        "query": query.query,
        "sources": list(query.sources),
        "count": query.count,
        "pmi": query.pmi,
        "pageviews": query.pageviews,
    }
