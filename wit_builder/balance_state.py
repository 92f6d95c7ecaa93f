"""What `wit balance --state` remembers, so that a new crawl is added without the old matches.

    STATE/CURRENT                    name of the generation that counts
    STATE/{generation}/state.json    what it was made of
                      /query_counts.parquet
                      /seen/         every uid that was ever counted, in buckets, 16 bytes each
                      /pairs/        the pairs that are kept

A generation is complete before CURRENT names it, and the one before is removed when the
update's own output is complete. So whatever is killed, one of them is whole.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wit_builder import storage
from wit_builder.errors import UserError
from wit_builder.hashing import UInt64s
from wit_builder.keys import SEEN, bucket_edges, uids_of
from wit_builder.matches import Counts
from wit_builder.parts import PartSummary, part_path, read_table, write_table
from wit_builder.segments import index_of

_POINTER = "CURRENT"
_FACTS = "state.json"
_COUNTS = "query_counts.parquet"
_FOLDERS = ("seen", "pairs", "")

NONE = "none"
"""Stands for the generation before the first."""


@dataclass(frozen=True)
class SeenUids:
    """The uids of a generation, in 2^bits buckets; of more buckets, each reads its part of one."""

    folder: str
    bits: int
    bits_now: int
    """Buckets that read: 2^bits_now, no fewer than were written."""

    def read(self, part: str) -> UInt64s:
        """Read the uids of the bucket that a part is for: sorted halves, uint64 of shape (n, 2)."""
        finer = self.bits_now - self.bits
        bucket = index_of(part)
        uids = uids_of(read_table(part_path(self.folder, bucket >> finer, 1 << self.bits)))
        edges = bucket_edges(uids[:, 0], self.bits_now)
        return uids[edges[bucket] : edges[bucket + 1]]


def write_seen(path: str, seen: UInt64s, distinct: pa.Table) -> None:
    """Write a bucket's uids: those seen before and the others of `keys.DISTINCT`, sorted."""
    fresh = uids_of(distinct)[~distinct.column("seen").to_numpy()]
    uids = np.concatenate([seen, fresh])
    uids = uids[np.lexsort((uids[:, 1], uids[:, 0]))]
    table = pa.Table.from_arrays([pa.array(half) for half in np.ascontiguousarray(uids.T)], schema=SEEN)
    write_table(path, table, PartSummary(len(uids), len(uids)))


@dataclass(frozen=True)
class Generation:
    """One generation of a state."""

    state: str
    name: str

    @property
    def folder(self) -> str:
        """Where it lies."""
        return storage.join(self.state, self.name)

    @property
    def pairs(self) -> str:
        """Folder of the pairs that are kept."""
        return storage.join(self.folder, "pairs")

    @property
    def seen(self) -> str:
        """Folder of the uids that were counted."""
        return storage.join(self.folder, "seen")

    def facts(self) -> dict[str, Any]:
        """Read what it was made of.

        Raises:
            UserError: the generation is not there.
        """
        path = storage.join(self.folder, _FACTS)
        if not storage.exists(path):
            raise UserError(
                f"{self.state} has no generation {self.name}: another update has replaced it; "
                "choose another output folder"
            )
        facts: dict[str, Any] = json.loads(storage.read_bytes(path))
        return facts

    def counts(self) -> Counts:
        """Read the distinct matches of each query: int64 of shape (queries,)."""
        table = read_table(storage.join(self.folder, _COUNTS), ["count"])
        counts: Counts = table.column("count").to_numpy()
        return counts

    def write(self, facts: Mapping[str, Any], query_counts: pa.Table) -> None:
        """Complete the generation, its folders being written; it does not count yet."""
        with storage.write_file(storage.join(self.folder, _COUNTS)) as handle:
            pq.write_table(query_counts, handle, compression="zstd")
        text = json.dumps(facts, indent=2, sort_keys=True) + "\n"
        storage.write_bytes(storage.join(self.folder, _FACTS), text.encode())

    def commit(self) -> None:
        """Make it the one that counts."""
        storage.write_bytes(storage.join(self.state, _POINTER), f"{self.name}\n".encode())

    def remove(self) -> None:
        """Remove its files."""
        for folder in _FOLDERS:
            for path in storage.list_dir(storage.join(self.folder, folder) if folder else self.folder):
                storage.remove(path)


def current(state: str) -> Generation:
    """Find the generation that counts; its name is NONE in a state that does not exist yet."""
    pointer = storage.join(state, _POINTER)
    name = storage.read_bytes(pointer).decode().strip() if storage.exists(pointer) else NONE
    return Generation(state, name)


def successor(base: Generation, matches: str, rules: Mapping[str, Any]) -> Generation:
    """Name the generation that an update makes, the same whenever it is taken up again.

    Args:
        base: the generation that is updated.
        matches: fingerprint of the matches that are added.
        rules: of the selection.
    """
    text = json.dumps([base.name, matches, rules], sort_keys=True)
    return Generation(base.state, hashlib.sha256(text.encode()).hexdigest()[:16])


def require_same_rules(facts: Mapping[str, Any], rules: Mapping[str, Any], state: str) -> None:
    """Check that an update selects by the rules of the state.

    Raises:
        UserError: a rule differs.
    """
    for name in sorted(rules):
        if facts.get(name) != rules[name]:
            raise UserError(
                f"{state} was made with {name} {facts.get(name)!r}, now it is {rules[name]!r}; "
                "use the state's own, or another state folder"
            )
