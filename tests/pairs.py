"""Matched pairs for tests."""

from collections.abc import Iterable, Sequence

import pyarrow as pa

from wit_builder import schemas
from wit_builder.hashing import uid_of


def matched(matches: Iterable[tuple[str, Sequence[int]]], page_url: str = "http://page/") -> pa.RecordBatch:
    """Make one row per (url, matched query ids)."""
    rows = [
        {
            "uid": uid_of(url, "text"),
            "url": url,
            "text": "text",
            "text_source": "alt",
            "page_url": page_url,
            "archive": "a.warc.gz",
            "archive_offset": 0,
            "matched_query_ids": sorted(set(ids)),
            "selected_query_ids": [],
        }
        for url, ids in matches
    ]
    return pa.RecordBatch.from_pylist(rows, schemas.MATCHED_PAIR)
