"""Limits: at most so many pairs of one URL or host, and no text that a host repeats.

A limit looks at distinct pairs. Each has an entry: what it is counted under (a hash of
its URL, of its host, or of host and text), and its rank there, a seeded hash of its uid.
Under one key the smallest entries stay. Groups of parts sort their entries into
segments for buckets of keys, and offer no more of a key than can matter; a bucket goes
through its segments once to find the last entry of each key that stays, and once
more to tell each group its rows behind that. So a bucket holds what stays, never all pairs of a host.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wit_builder.errors import UserError
from wit_builder.hashing import UInt64s, hash_text, mix, uid_halves
from wit_builder.hosts import hosts_of
from wit_builder.keys import bucket_edges
from wit_builder.matches import Rows
from wit_builder.records import DropReason

READ = ["uid", "url", "text"]
"""Columns of a pair that its entries are made of."""

ENTRY = np.dtype([("key", "<u8"), ("high", "<u8"), ("low", "<u8"), ("row", "<i4")])
"""A pair under its key; `high` and `low` are its rank, `row` numbers it in its group."""

MOST_PENDING = 1 << 20
"""Entries that a bucket takes in before it lets those go that cannot stay (29 MB)."""

Entries = npt.NDArray[np.void]
Mask = npt.NDArray[np.bool_]


class Unit(StrEnum):
    """What a limit counts pairs by."""

    TEXT = "text"
    """A text on the images of one host."""
    URL = "url"
    HOST = "host"


_REASONS = {
    Unit.TEXT: DropReason.REPEATED_TEXT,
    Unit.URL: DropReason.URL_OVER_CAP,
    Unit.HOST: DropReason.HOST_OVER_CAP,
}


class Limit(NamedTuple):
    """At most so many pairs of a unit; of a text, all go if there are more."""

    unit: Unit
    most: int
    seed: int

    @property
    def reason(self) -> DropReason:
        """Why a pair over the limit goes."""
        return _REASONS[self.unit]


@dataclass(frozen=True, kw_only=True)
class LimitOptions:
    """What is counted over all archives."""

    deduplicate: bool = field(
        default=False,
        metadata={"help": "Keep one of all pairs with the same URL and text; the limits below do so, too."},
    )
    max_text_repeats: int | None = field(
        default=None,
        metadata={"help": "A text that more images of one host have goes from all of them (default: any)."},
    )
    max_texts_per_url: int | None = field(
        default=None, metadata={"help": "At most so many pairs of one image URL (default: any)."}
    )
    max_pairs_per_host: int | None = field(
        default=None, metadata={"help": "At most so many pairs of one host of images (default: any)."}
    )
    seed: int = field(default=0, metadata={"help": "Another seed keeps other pairs under these limits."})

    def __post_init__(self) -> None:
        for name in ("max_text_repeats", "max_texts_per_url", "max_pairs_per_host"):
            most = getattr(self, name)
            if most is not None and most < 1:
                raise UserError(f"{name} is {most}; use 1 or more, or leave it out for any number")
        if not 0 <= self.seed < 2**64:
            raise UserError(f"seed is {self.seed}; use 0 to {2**64 - 1}")

    @property
    def limits(self) -> list[Limit]:
        """The limits that are asked for, in the order in which they apply."""
        asked = {
            Unit.TEXT: self.max_text_repeats,
            Unit.URL: self.max_texts_per_url,
            Unit.HOST: self.max_pairs_per_host,
        }
        return [Limit(unit, most, self.seed) for unit, most in asked.items() if most is not None]

    @property
    def any(self) -> bool:
        """Whether anything is counted over all archives."""
        return self.deduplicate or bool(self.limits)


def keys_of(batch: pa.RecordBatch, unit: Unit) -> UInt64s:
    """Hash what n pairs are counted under: uint64 of shape (n,)."""
    if unit == Unit.URL:
        return _hashes(batch.column("url").to_pylist())
    hosts, indices = hosts_of(batch.column("url"))
    keys: UInt64s = _hashes(hosts)[indices]
    return keys if unit == Unit.HOST else mix(keys, 0) ^ _hashes(batch.column("text").to_pylist())


def _hashes(texts: list[str]) -> UInt64s:
    return np.fromiter(map(hash_text, texts), np.uint64, len(texts))


def entries_of(batches: Iterable[tuple[pa.RecordBatch, Mask]], limit: Limit) -> Entries:
    """Make the entries of a group's pairs.

    Args:
        batches: all rows of a group, in order, and which of them go already.
        limit: that counts them.
    """
    made = []
    seed = hash_text(limit.unit.value, limit.seed)  # of its own, so that limits choose independently
    row = 0
    for batch, gone in batches:
        stay = np.flatnonzero(~gone)
        rows = batch.take(pa.array(stay))
        entries = np.empty(len(stay), ENTRY)
        high, low = uid_halves(rows.column("uid")).T
        columns = (keys_of(rows, limit.unit), mix(high, seed), low, row + stay)
        for name, column in zip(ENTRY.names or (), columns, strict=True):
            entries[name] = column
        made.append(entries)
        row += batch.num_rows
    return np.concatenate([np.empty(0, ENTRY), *made])


def offer(entries: Entries, most: int) -> tuple[Entries, Rows]:
    """Choose what a group tells of its pairs: one more of each key than may stay.

    Returns:
        The entries that are told, sorted; and the rows that go whatever other groups have, sorted.
    """
    entries = _sorted(entries)
    told = _ranks(entries) <= most
    return entries[told], np.sort(entries["row"][~told])


def _sorted(entries: Entries) -> Entries:
    return entries[np.lexsort((entries["low"], entries["high"], entries["key"]))]


def _ranks(entries: Entries) -> Rows:
    """Number the sorted entries of each key: int64 from 0."""
    places = np.arange(len(entries))
    begins = np.append(True, entries["key"][1:] != entries["key"][:-1])[: len(entries)]
    return places - np.maximum.accumulate(np.where(begins, places, 0))


def divide(entries: Entries, bits: int) -> list[bytes]:
    """Cut sorted entries into a segment for each of 2^bits buckets."""
    edges = bucket_edges(entries["key"], bits)
    return [entries[first:last].tobytes() for first, last in pairwise(edges)]


def rows_over(read: Callable[[], Iterable[bytes]], limit: Limit) -> list[bytes]:
    """Find the pairs of a bucket that are over the limit.

    Args:
        read: gives the segments of `divide`, one of each group; called twice.
        limit: that counts them.

    Returns:
        Per group its rows that go, as int32.
    """
    last = _last_entries(map(_decode, read()), limit.most)
    return [
        np.sort(entries["row"][_is_over(entries, last, limit.unit)]).tobytes()
        for entries in map(_decode, read())
    ]


def _decode(segment: bytes) -> Entries:
    return np.frombuffer(segment, ENTRY)


def _last_entries(segments: Iterator[Entries], most: int) -> Entries:
    """Give the last entry that may stay of each key that has more, sorted by key."""
    held = np.empty(0, ENTRY)
    pending: list[Entries] = []
    for entries in segments:
        pending.append(entries)
        if sum(map(len, pending)) > max(MOST_PENDING, len(held)):
            held, pending = offer(np.concatenate([held, *pending]), most)[0], []
    held, _ = offer(np.concatenate([held, *pending]), most)
    return held[np.flatnonzero(_ranks(held) == most) - 1]


def _is_over(entries: Entries, last: Entries, unit: Unit) -> Mask:
    """Tell which entries are of a key with more than may stay, and behind its last one."""
    if not len(last):
        return np.zeros(len(entries), dtype=bool)
    ends = last[np.minimum(np.searchsorted(last["key"], entries["key"]), len(last) - 1)]
    full: Mask = ends["key"] == entries["key"]
    if unit == Unit.TEXT:
        return full
    tied = entries["high"] == ends["high"]
    over: Mask = full & ((entries["high"] > ends["high"]) | (tied & (entries["low"] > ends["low"])))
    return over
