"""Keys: the little of a row that finds its duplicates, and what of it balance needs.

Parts are taken in groups, uids in buckets of equal ranges. A group's keys are
sorted by uid and written as a segment for each bucket; a bucket takes its segment of
every group and keeps one row per uid. It writes the distinct uids with their query ids,
which is all that counting and thresholds read, and as a segment for each group the
rows that lost, which is all that the last, map-only pass over the rows needs.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wit_builder.hashing import UInt64s, hash_text, mix, uid_halves
from wit_builder.matches import Rows
from wit_builder.schemas import MATCHED_PAIR
from wit_builder.segments import decode_rows, encode_rows

_UID = [pa.field("uid_high", pa.uint64(), nullable=False), pa.field("uid_low", pa.uint64(), nullable=False)]
_IDS = MATCHED_PAIR.field("matched_query_ids")

KEY = pa.schema(
    [
        *_UID,
        pa.field("place", pa.string(), nullable=False),  # page_url, NUL, text_source
        pa.field("origin", pa.uint64(), nullable=False),  # hash of archive and offset
        pa.field("row", pa.int32(), nullable=False),  # in the group
    ]
)
MATCH_KEY = KEY.append(_IDS)
"""A key of matches takes their query ids along."""

DISTINCT = pa.schema([*_UID, pa.field("seen", pa.bool_(), nullable=False), _IDS])
"""Distinct uids; `seen` are those that a state has counted before."""

SEEN = pa.schema(_UID)
LOST = pa.schema([pa.field("row", pa.int32(), nullable=False)])
"""Rows of a group that go, e.g. since another row with the same uid represents them."""

LOST_BYTES = 4
"""Of a row in a segment for `lost_rows`."""

ROWS_PER_ITEM = 500_000
LEAST_ROWS_PER_ITEM = 200_000
MOST_ROWS_PER_ITEM = 3_000_000
"""Groups and buckets hold so many rows; fewer where there would be fewer than FEWEST_ITEMS, so
that there is work for some workers; more where there would be more than MOST_ITEMS: groups times
buckets segments are read, 14 million of 10 billion pairs."""

FEWEST_ITEMS = 8
MOST_ITEMS = 256


def rows_per_item(rows: int) -> int:
    """Give the size of groups and buckets for so many rows in all."""
    if rows > ROWS_PER_ITEM * MOST_ITEMS:
        return min(MOST_ROWS_PER_ITEM, rows // MOST_ITEMS)
    return max(LEAST_ROWS_PER_ITEM, min(ROWS_PER_ITEM, rows // FEWEST_ITEMS))


def group_parts(parts: Sequence[str], rows: Sequence[int], size: int) -> list[tuple[str, ...]]:
    """Put parts, in their order, into groups of about `size` rows; no part is divided."""
    groups: list[list[str]] = []
    room = 0
    for part, count in zip(parts, rows, strict=True):
        if room < count / 2 or not groups:
            groups.append([])
            room = size
        groups[-1].append(part)
        room -= count
    return [tuple(group) for group in groups]


def bucket_bits(rows: int, size: int) -> int:
    """Give the number of buckets for so many rows, as a power of two, so that buckets can be halved."""
    return max(0, -(-rows // size) - 1).bit_length()


def bucket_edges(high: UInt64s, bits: int) -> Rows:
    """Cut sorted uids into 2^bits buckets: int64 offsets of shape (2^bits + 1,)."""
    starts = np.arange(1 << bits, dtype=np.uint64) << np.uint64(63 - bits)
    return np.append(np.searchsorted(high >> np.uint64(1), starts), len(high))


class Reduced(NamedTuple):
    """One row per uid."""

    stay: Rows
    """Rows that stay, sorted by uid."""
    lost: Rows
    """Rows with the uid of a row that stays, in no order."""


def keep_one_per_uid(uids: UInt64s, place: pa.ChunkedArray, origin: UInt64s) -> Reduced:
    """Choose, of rows with one uid, the one with the smallest (page_url, text_source).

    A page that was captured twice has two such rows; of these the smaller hash of
    archive and offset decides.

    Args:
        uids: halves, uint64 of shape (n, 2).
        place: page_url, NUL, text_source: string array of n.
        origin: uint64 of shape (n,).
    """
    order = _order(uids)
    ranked = uids[order]
    same = (ranked[1:] == ranked[:-1]).all(axis=1)
    if not same.any():
        return Reduced(order, order[:0])
    repeats = np.concatenate([[False], same])
    contested = repeats | np.append(same, False)
    rows = order[contested]
    columns = {
        "uid": np.cumsum(~repeats)[contested],
        "place": place.take(pa.array(rows)),
        "origin": origin[rows],
    }
    by_rank = pc.sort_indices(pa.table(columns), [(name, "ascending") for name in columns])
    order[contested] = rows[by_rank.to_numpy()]
    return Reduced(order[~repeats], order[repeats])


def _order(uids: UInt64s) -> Rows:
    order = np.argsort(uids[:, 0])
    ranked = uids[order]
    if ((ranked[1:, 0] == ranked[:-1, 0]) & (ranked[1:, 1] != ranked[:-1, 1])).any():
        order = np.lexsort((uids[:, 1], uids[:, 0]))  # five times slower, for what hashes do not do
    return order


def columns_of(schema: pa.Schema) -> list[str]:
    """Name the columns of a row that its key is made of: `KEY`, or `KEY` and columns that go along."""
    return ["uid", "page_url", "text_source", "archive", "archive_offset", *schema.names[len(KEY) :]]


def keys_of(batches: Iterable[pa.RecordBatch], schema: pa.Schema = MATCH_KEY) -> pa.Table:
    """Make the keys of a group's rows.

    Args:
        batches: rows with the columns `columns_of(schema)`, a bounded number.
        schema: of the keys.

    Returns:
        Table in that schema.
    """
    columns: list[list[pa.Array]] = [[] for _ in schema]
    rows = 0
    for batch in batches:
        high, low = uid_halves(batch.column("uid")).T
        place = pc.binary_join_element_wise(batch.column("page_url"), batch.column("text_source"), "\0")
        numbers = np.arange(rows, rows + batch.num_rows, dtype=np.int32)
        key = [high, low, place, _origin(batch), numbers, *map(batch.column, schema.names[len(KEY) :])]
        for column, values in zip(columns, key, strict=True):
            column.append(pa.array(values))
        rows += batch.num_rows
    if not rows:
        return schema.empty_table()
    joined = [pa.concat_arrays(columns.pop(0)) for _ in schema]  # only one column is ever held twice
    return pa.Table.from_arrays(joined, schema=schema)


def _origin(batch: pa.RecordBatch) -> UInt64s:
    archives = batch.column("archive").dictionary_encode()
    hashes = np.array([_archive_hash(name) for name in archives.dictionary.to_pylist()], np.uint64)
    offsets = batch.column("archive_offset").to_numpy().astype(np.uint64)
    return mix(hashes[archives.indices.to_numpy()] ^ offsets, 0)


@cache
def _archive_hash(name: str) -> int:
    return hash_text(name)


def divide_keys(keys: pa.Table, bits: int) -> tuple[list[bytes], Rows]:
    """Reduce a group's keys to one per uid and cut them into a segment for each bucket.

    Args:
        keys: of `keys_of`.
        bits: there are 2^bits buckets.

    Returns:
        Segments for `bring_together`, and the rows that lost already here.
    """
    uids = uids_of(keys)
    stay, lost = keep_one_per_uid(uids, keys.column("place"), keys.column("origin").to_numpy())
    edges = bucket_edges(uids[stay, 0], bits)
    segments = [encode_rows(keys.take(pa.array(stay[first:last]))) for first, last in pairwise(edges)]
    return segments, np.sort(lost)


def uids_of(table: pa.Table) -> UInt64s:
    """Read the halves of a table's uids: uint64 of shape (n, 2)."""
    return np.column_stack([table.column(name).to_numpy() for name in ("uid_high", "uid_low")])


class Bucket(NamedTuple):
    """The keys of a bucket, of which one per uid stays."""

    keys: pa.Table
    stay: Rows
    """Those that stay, sorted by uid."""
    lost: list[bytes]
    """Per group its rows that lost, as int32."""


def bring_together(segments: Iterable[bytes], schema: pa.Schema) -> Bucket:
    """Bring the keys of a bucket together and choose one per uid.

    Args:
        segments: of `divide_keys`, one of each group.
        schema: of the keys.
    """
    tables = [decode_rows(segment, schema) for segment in segments]
    groups = np.repeat(np.arange(len(tables)), [table.num_rows for table in tables])
    keys = pa.concat_tables(tables)
    stay, lost = keep_one_per_uid(uids_of(keys), keys.column("place"), keys.column("origin").to_numpy())
    return Bucket(keys, stay, rows_by_group(keys.column("row").to_numpy()[lost], groups[lost], len(tables)))


def rows_by_group(rows: npt.NDArray[np.integer], groups: Rows, count: int) -> list[bytes]:
    """Divide numbers of rows by group, as segments for `lost_rows`.

    Args:
        rows: numbers of n rows in their groups.
        groups: of each, int64 of shape (n,).
        count: of groups.
    """
    order = np.argsort(groups, kind="stable")
    divided = np.split(rows[order], np.searchsorted(groups[order], range(1, count)))
    return [numbers.astype("<i4").tobytes() for numbers in divided]


class Merged(NamedTuple):
    """A bucket of matches: one key per uid."""

    distinct: pa.Table
    """In `DISTINCT`, sorted by uid."""
    lost: list[bytes]
    """Per group its rows that lost, as int32."""
    rows: int
    """Keys that came in."""


def merge_keys(segments: Iterable[bytes], seen: UInt64s) -> Merged:
    """Bring the keys of a bucket of matches together and keep one per uid.

    Args:
        segments: of `divide_keys`, one of each group.
        seen: halves of the uids of this bucket that a state has counted before, shape (s, 2).
    """
    keys, stay, lost = bring_together(segments, MATCH_KEY)
    uids = uids_of(keys)[stay]
    ids = keys.column(_IDS.name).combine_chunks().take(pa.array(stay))
    columns = [*uids.T, is_among(uids, seen), ids]
    distinct = pa.Table.from_arrays([pa.array(column) for column in columns], schema=DISTINCT)
    return Merged(distinct, lost, keys.num_rows)


def is_among(uids: UInt64s, others: UInt64s) -> npt.NDArray[np.bool_]:
    """Tell which of n distinct uids are among some distinct others: bool of shape (n,)."""
    if not len(others):
        return np.zeros(len(uids), dtype=bool)
    both = np.concatenate([others, uids])
    order = np.lexsort((both[:, 1], both[:, 0]))  # stable: of equal uids the other one comes first
    repeats = np.append(False, (both[order[1:]] == both[order[:-1]]).all(axis=1))
    among = np.zeros(len(both), dtype=bool)
    among[order[repeats]] = True
    return among[len(others) :]


def lost_rows(segments: Iterable[bytes], already: Rows) -> Rows:
    """List the rows of a group that another row represents, sorted.

    Args:
        segments: of the rows that lost, one of each bucket.
        already: rows that lost inside the group.
    """
    rows = [np.frombuffer(segment, "<i4") for segment in segments]
    return np.sort(np.concatenate([already, *rows]))


def mark_lost(
    batches: Iterable[pa.RecordBatch], lost: Rows
) -> Iterator[tuple[pa.RecordBatch, npt.NDArray[np.bool_]]]:
    """Go through a group's rows with the mask of those that lost.

    Args:
        batches: all rows of a group, in order.
        lost: of `lost_rows`.

    Yields:
        A batch of n rows and bool of shape (n,).
    """
    start = 0
    for batch in batches:
        first, last = np.searchsorted(lost, [start, start + batch.num_rows])
        mask = np.zeros(batch.num_rows, dtype=bool)
        mask[lost[first:last] - start] = True
        yield batch, mask
        start += batch.num_rows
