"""Tables of queries, as a vocabulary has them."""

from collections.abc import Sequence

import pyarrow as pa

from wit_builder.records import Query, QuerySource
from wit_builder.schemas import QUERY

UNIGRAM, BIGRAM, TITLE, SYNSET, LEMMA = QuerySource

SMALL = [
    Query(0, "dog", (UNIGRAM, LEMMA), count=1200),
    Query(1, "york", (UNIGRAM,), count=150),
    Query(2, "new york", (BIGRAM, TITLE, LEMMA), count=120, pmi=7.5, pageviews=90),
    Query(3, "dog days", (TITLE,), pageviews=80),
    Query(4, "café", (LEMMA,)),
    Query(5, "don't", (UNIGRAM,), count=9),
]


def table(queries: Sequence[Query]) -> pa.Table:
    """Lay queries out in `schemas.QUERY`."""
    columns = [[getattr(query, name) for query in queries] for name in QUERY.names]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, QUERY, strict=True)]
    return pa.Table.from_arrays(arrays, schema=QUERY)
