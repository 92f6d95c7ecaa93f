"""The records of `records` as Arrow schemas: what the Parquet files hold."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_TIME = pa.timestamp("ms", "UTC")
_IDS = pa.list_(pa.field("item", pa.int32(), nullable=False))


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


NGRAM = pa.schema(
    [pa.field("text", pa.string(), nullable=False), pa.field("count", pa.int64(), nullable=False)]
)
"""A word, a bigram or a title, and how often it occurs or is viewed."""

QUERY = pa.schema(
    [
        _required("query_id", pa.int32()),
        _required("query", pa.string()),
        _required("sources", pa.list_(pa.field("item", pa.string(), nullable=False))),
        ("count", pa.int64()),
        ("pmi", pa.float64()),
        ("pageviews", pa.int64()),
    ]
)

CANDIDATE = pa.schema(
    [
        _required("uid", pa.string()),
        _required("url", pa.string()),
        _required("text", pa.string()),
        _required("text_source", pa.string()),
        _required("page_url", pa.string()),
        _required("archive", pa.string()),
        _required("archive_offset", pa.int64()),
        ("captured_at", _TIME),
        ("language", pa.string()),
        ("language_score", pa.float32()),
        ("page_license", pa.string()),
        ("opt_out", pa.string()),
    ]
)

MATCHED_PAIR = CANDIDATE.append(_required("matched_query_ids", _IDS)).append(
    _required("selected_query_ids", _IDS)
)

QUERY_COUNT = pa.schema(
    [
        _required("query_id", pa.int32()),
        _required("count", pa.int64()),
        _required("kept_by_query", pa.int64()),
        _required("kept_total", pa.int64()),
        _required("threshold", pa.uint64()),
    ]
)

FETCHED_IMAGE = pa.schema(
    [
        *MATCHED_PAIR,
        _required("status", pa.string()),
        ("error_message", pa.string()),
        ("rights", pa.string()),
        ("rights_set_aside", pa.string()),
        ("sha256", pa.string()),
        ("phash", pa.string()),
        ("phash_quality", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("original_width", pa.int32()),
        ("original_height", pa.int32()),
        ("exif", pa.string()),
        ("fetched_at", _TIME),
        ("store_file", pa.string()),
        ("store_offset", pa.int64()),
        ("store_size", pa.int64()),
    ]
)

OTHER_TEXT = pa.struct([_required(name, pa.string()) for name in ("uid", "url", "text")])
UNIQUE_IMAGE = FETCHED_IMAGE.append(pa.field("other_texts", pa.list_(OTHER_TEXT)))
"""An image and, if they were asked for, the pairs whose images had the same bytes."""


def id_lists(offsets: npt.NDArray[np.int64], ids: npt.NDArray[np.int32]) -> pa.ListArray:
    """Make a column of query id lists.

    Args:
        offsets: int64 of shape (n + 1,); list i is ids[offsets[i]:offsets[i + 1]].
        ids: int32.
    """
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(ids, pa.int32()), type=_IDS)
