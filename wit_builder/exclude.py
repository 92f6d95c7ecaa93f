"""Exclude lists: what its owner, or the law, wants out of a dataset.

A text file, an entry a line, `#` begins a comment:

    uid:0f1e…        a pair
    url:https://…    an image's address (a bare address is one, too)
    host:example.org an image's host, and all below it
    sha256:9ab3…     an image's bytes
    phash:f8f8…      a PDQ hash: images within 16 bits of it
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wit_builder import near_duplicates, storage
from wit_builder.errors import UserError

EXCLUDE_FILE = "exclude.txt"
"""Name of the list that a store keeps of what was purged from it."""

EXCLUDED = "excluded"
"""What the store says of a pair that a list names, instead of asking for its image."""

_SHAPES = {
    "uid": re.compile(r"[0-9a-f]{32}"),
    "url": re.compile(r"https?://\S+"),
    "host": re.compile(r"[^\s/@:]+(\.[^\s/@:]+)*(:\d+)?"),
    "sha256": re.compile(r"[0-9a-f]{64}"),
    "phash": re.compile(r"[0-9a-f]{64}"),
}
_COLUMNS = {"uid": "uid", "url": "url", "sha256": "sha256"}


@dataclass(frozen=True)
class ExcludeList:
    """Entries by kind: uid, url, host, sha256, phash."""

    entries: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, paths: Iterable[str]) -> "ExcludeList":
        """Read some lists as one.

        Raises:
            UserError: a file is missing, or a line is no entry.
        """
        entries: dict[str, set[str]] = {kind: set() for kind in _SHAPES}
        for path in paths:
            lines = storage.read_bytes(path).decode("utf-8", "replace").splitlines()
            for number, line in enumerate(lines, 1):
                entry = line.partition(" #")[0].strip()
                if entry and not entry.startswith("#"):
                    kind, value = _parse(entry, f"{path}, line {number}")
                    entries[kind].add(value)
        return cls({kind: frozenset(values) for kind, values in entries.items()})

    def __len__(self) -> int:
        return sum(map(len, self.entries.values()))

    def of(self, kind: str) -> frozenset[str]:
        """Give the values of one kind."""
        return self.entries.get(kind, frozenset())

    def with_entries(self, kind: str, values: Iterable[str]) -> "ExcludeList":
        """Add values of one kind."""
        return ExcludeList({**self.entries, kind: self.of(kind) | frozenset(values)})

    def merge(self, other: "ExcludeList") -> "ExcludeList":
        """Add another list."""
        merged = self
        for kind, values in other.entries.items():
            merged = merged.with_entries(kind, values)
        return merged

    def text(self) -> bytes:
        """Write the entries as a list, sorted."""
        lines = sorted(f"{kind}:{value}\n" for kind, values in self.entries.items() for value in values)
        return "".join(lines).encode()

    @property
    def digest(self) -> str:
        """Name the entries: SHA-256, 16 hex digits."""
        return hashlib.sha256(self.text()).hexdigest()[:16]

    def grounds(self, rows: pa.Table) -> pa.Array:
        """Give, of each of n rows, an entry that excludes it: a string array of n, null if it stays.

        Args:
            rows: with uid, url and, if they are known, sha256 and phash.
        """
        found = pa.nulls(rows.num_rows, pa.string())
        for kind, find in self._finders().items():
            if self.of(kind) and kind in (*rows.column_names, "host"):
                found = pc.coalesce(found, find(kind, rows))
        return found

    def names_image(self, sha256: str, phash: str) -> bool:
        """Tell whether an image is listed by its bytes or its hash.

        Args:
            sha256: of the bytes, in hex.
            phash: PDQ, in hex.
        """
        if sha256 in self.of("sha256"):
            return True
        if not self.of("phash"):
            return False
        rows = pa.table({"url": [""], "phash": [phash]})
        return bool(self._hashes("phash", rows).null_count == 0)

    def _finders(self) -> Mapping[str, Callable[[str, pa.Table], pa.Array]]:
        return {**dict.fromkeys(_COLUMNS, self._equal), "host": self._hosts, "phash": self._hashes}

    def _equal(self, kind: str, rows: pa.Table) -> pa.Array:
        values = rows.column(_COLUMNS[kind]).combine_chunks()
        listed = pc.is_in(values, pa.array(sorted(self.of(kind)), pa.string()))
        return _named(kind, values, listed)

    def _hosts(self, kind: str, rows: pa.Table) -> pa.Array:
        del kind
        urls = rows.column("url").to_pylist()
        return pa.array([self._host_entry(url) for url in urls], pa.string())

    def _host_entry(self, url: str) -> str | None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        above = [host, *(host[at + 1 :] for at, sign in enumerate(host) if sign == ".")]
        names = [*above, f"{host}:{parts.port}"] if parts.port else above
        return next((f"host:{name}" for name in names if name in self.of("host")), None)

    def _hashes(self, kind: str, rows: pa.Table) -> pa.Array:
        phashes = rows.column(kind).combine_chunks()
        there = np.flatnonzero(phashes.is_valid().to_numpy(zero_copy_only=False))
        hashes = near_duplicates.read_hashes(phashes.take(pa.array(there)))
        listed = near_duplicates.read_hashes(pa.array(sorted(self.of(kind))))
        near = np.zeros(rows.num_rows, dtype=bool)
        near[there] = near_duplicates.are_near(hashes, listed)
        return _named(kind, phashes, pa.array(near))


def _parse(entry: str, place: str) -> tuple[str, str]:
    kind, mark, value = entry.partition(":")
    if mark and kind in _SHAPES:
        value = value.strip()
        value = value if kind == "url" else value.lower()
    else:
        kind, value = ("url", entry) if _SHAPES["url"].fullmatch(entry) else ("", entry)
    if not kind or not _SHAPES[kind].fullmatch(value):
        raise UserError(f"{place}: {entry!r} is no entry; write {', '.join(f'{k}:…' for k in _SHAPES)}")
    return kind, value


def _named(kind: str, values: pa.Array, listed: pa.Array) -> pa.Array:
    entries = pc.binary_join_element_wise(pa.scalar(kind), values, pa.scalar(":"))
    return pc.if_else(listed, entries, pa.scalar(None, pa.string()))
