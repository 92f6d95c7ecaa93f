"""Exact duplicates: of the pairs whose images have the same bytes one stays."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wit_builder.hashing import mix, uid_halves
from wit_builder.records import DropReason
from wit_builder.schemas import OTHER_TEXT, UNIQUE_IMAGE

Rows = npt.NDArray[np.int64]


def bucket_of(batch: pa.RecordBatch, buckets: int) -> Rows:
    """Group rows so that equal images meet: by SHA-256, rows without one by uid.

    Returns:
        int64 of shape (n,), 0 to buckets - 1.
    """
    digests = pc.coalesce(batch.column("sha256"), batch.column("uid"))
    heads = "".join(pc.utf8_slice_codeunits(digests, 0, 16).to_pylist())
    return (np.frombuffer(bytes.fromhex(heads), ">u8") % np.uint64(buckets)).astype(np.int64)


def keep_one_per_image(
    rows: pa.Table, seed: int, *, merge_texts: bool, honour_pages: bool = True
) -> tuple[pa.Table, pa.Table]:
    """Keep one pair per image and none that its owner refuses.

    Of the pairs whose images have the same bytes the one with the smallest
    (hash, uid) stays. Rows of failed fetches stay, to be reported.

    Args:
        rows: in `schemas.FETCHED_IMAGE`, a bounded number.
        seed: of the hash.
        merge_texts: keep the texts of the others beside it.
        honour_pages: a pair goes whose page opts out.

    Returns:
        The rows that stay, in `schemas.UNIQUE_IMAGE` and sorted by uid; the others with their `drop_reason`.
    """
    refused = pc.is_valid(rows.column("rights"))
    if honour_pages:
        refused = pc.or_(refused, pc.is_valid(rows.column("opt_out")))
    allowed = rows.filter(pc.invert(refused)).sort_by("uid")
    best = _best(allowed, seed)
    stays = pa.array(best == np.arange(len(best)))
    others = _other_texts(allowed, best) if merge_texts else pa.nulls(len(best), pa.list_(OTHER_TEXT))
    unique = allowed.append_column(UNIQUE_IMAGE.field("other_texts"), others).filter(stays)
    rejected = [
        with_reason(rows.filter(refused), DropReason.OPTED_OUT),
        with_reason(allowed.filter(pc.invert(stays)), DropReason.DUPLICATE_IMAGE),
    ]
    return unique, pa.concat_tables(rejected)


def with_reason(rows: pa.Table, reason: DropReason) -> pa.Table:
    """Give rejected rows their `drop_reason`."""
    return rows.append_column("drop_reason", pa.array([reason.value] * rows.num_rows, pa.string()))


def _best(rows: pa.Table, seed: int) -> Rows:
    """Give, of each row, the row that stays for its image; itself if it has none."""
    halves = uid_halves(rows.column("uid"))
    order = np.lexsort((halves[:, 1], halves[:, 0], mix(halves[:, 0], seed)))
    digests = pc.coalesce(rows.column("sha256"), rows.column("uid")).combine_chunks().dictionary_encode()
    codes: npt.NDArray[np.int32] = digests.indices.to_numpy()
    first = np.empty(len(digests.dictionary), np.int64)
    first[codes[order[::-1]]] = order[::-1]  # of equal codes the last one written is the first in order
    best: Rows = first[codes]
    return best


def _other_texts(rows: pa.Table, best: Rows) -> pa.Array:
    """List, for each row, the pairs of the same image that are dropped, sorted by uid; null if none is."""
    others: list[list[dict[str, str]] | None] = [None] * len(best)
    lost = np.flatnonzero(best != np.arange(len(best)))
    pairs = rows.select(["uid", "url", "text"]).take(pa.array(lost)).to_pylist()
    for winner, pair in zip(best[lost].tolist(), pairs, strict=True):
        others[winner] = [*(others[winner] or []), pair]
    return pa.array(others, pa.list_(OTHER_TEXT))
