"""Shards as a table of byte offsets: any sample of any tar, by one ranged read.

The tar headers are read once: a large index is kept in the user's cache and mapped
into memory, where all processes of a machine share it (28 bytes a sample). No
sample's bytes are kept. Reads are random, so shards of a long training belong on a
local disk.
"""

import hashlib
import json
import os
import tarfile
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer import ranges
from trainer.kept_index import keep, load_kept
from wit_builder.storage import (
    UserError,
    basename,
    exists,
    is_local,
    join,
    list_dir,
    open_read,
    read_bytes,
    size,
)

IMAGE_SUFFIXES = frozenset({"jpg", "jpeg", "png", "webp"})
BLOCK = 512  # a tar's unit: header and padding

ENTRY = np.dtype(
    [
        ("shard", np.int32),
        ("image_offset", np.int64),
        ("image_size", np.int32),
        ("target_offset", np.int64),
        ("target_size", np.int32),
    ]
)
Row = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class ShardIndex:
    """Where each sample of a folder of tars lies.

    Attributes:
        paths: the tars, sorted.
        entries: structured array of shape (n,) and dtype `ENTRY`, in the tars' order.
        incomplete: samples left out because a member is missing.
    """

    paths: tuple[str, ...]
    entries: npt.NDArray[np.void]
    incomplete: int

    def __len__(self) -> int:
        return len(self.entries)

    def read(self, number: int) -> tuple[bytes, bytes]:
        """Read a sample's image and target (caption or class)."""
        entry = self.entries[number]
        image, target = int(entry["image_offset"]), int(entry["target_offset"])
        image_end, target_end = image + int(entry["image_size"]), target + int(entry["target_size"])
        start = min(image, target)  # they lie next to each other: one read, with a header between
        data = ranges.read(self.paths[entry["shard"]], start, max(image_end, target_end) - start)
        return data[image - start : image_end - start], data[target - start : target_end - start]

    def key(self, number: int) -> str:
        """Read a sample's key, from the tar header in front of its image."""
        entry = self.entries[number]
        path = self.paths[entry["shard"]]
        header = ranges.read(path, int(entry["image_offset"]) - BLOCK, BLOCK)
        return _split(tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape").name)[0]

    def name(self, number: int) -> str:
        """Name a sample for a message: its tar and key."""
        return f"{basename(self.paths[self.entries[number]['shard']])}:{self.key(number)}"

    def digest(self) -> str:
        """Give the SHA-256 of the tars' names and all offsets, in hex."""
        names = json.dumps([basename(path) for path in self.paths]).encode()
        digest = hashlib.sha256(names)
        digest.update(np.ascontiguousarray(self.entries).data.cast("B"))
        return digest.hexdigest()


def index_shards(folder: str, target: str) -> ShardIndex:
    """Read the headers of a folder's tars.

    Args:
        folder: holds `*.tar`, and `sizes.json` if the counts are to be checked.
        target: the member that goes with the image: `txt` or `cls`.

    Raises:
        UserError: no tar, an empty or truncated tar, fewer samples than sizes.json says,
            or no sample that has both members.
    """
    paths = list_dir(folder, ".tar")
    if not paths:
        raise UserError(f"{folder} holds no .tar; give a folder of WebDataset shards")
    sizes_path = join(folder, "sizes.json")
    sizes: dict[str, int] = json.loads(read_bytes(sizes_path)) if exists(sizes_path) else {}
    name = hashlib.sha256(json.dumps([target, sizes, *map(_signature, paths)]).encode()).hexdigest()
    kept = load_kept(name)
    if kept is not None and all(_still_there(paths, row) for row in _last_of_each(kept[0])):
        return ShardIndex(tuple(paths), *kept)
    entries, incomplete = _read_headers(paths, target, sizes)
    if not len(entries):
        raise UserError(f"no sample in {folder} has both an image and a .{target}; check the shards")
    keep(name, entries, incomplete)
    return ShardIndex(tuple(paths), entries, incomplete)


def _read_headers(paths: list[str], target: str, sizes: dict[str, int]) -> tuple[npt.NDArray[np.void], int]:
    parts, incomplete = [], 0
    for shard, path in enumerate(paths):
        rows, found = _index_tar(path, shard, target)
        expected = sizes.get(basename(path), found)
        if found != expected:
            raise UserError(f"{path} has {found} samples, sizes.json says {expected}; write that shard again")
        parts.append(np.array(rows, ENTRY))
        incomplete += found - len(rows)
    return np.concatenate(parts), incomplete


def _signature(path: str) -> tuple[str, int, int]:
    """Tell a tar from another of its name: its path, size and, on this machine, time of change."""
    return path, size(path), os.stat(path.removeprefix("file://")).st_mtime_ns if is_local(path) else 0


def _last_of_each(entries: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Give the last sample of each tar."""
    last = np.append(np.flatnonzero(np.diff(entries["shard"])), len(entries) - 1)
    rows: npt.NDArray[np.void] = entries[last]
    return rows


def _still_there(paths: list[str], entry: np.void) -> bool:
    """Tell whether a tar still has a member of that size where a kept index says so."""
    header = ranges.read(paths[entry["shard"]], int(entry["image_offset"]) - BLOCK, BLOCK)
    try:
        member = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return bool(member.size == entry["image_size"])


def _index_tar(path: str, shard: int, target: str) -> tuple[list[Row], int]:
    """Give the tar's complete samples as `ENTRY` rows, and the number of all its samples."""
    samples: dict[str, dict[str, tuple[int, int]]] = {}
    for name, offset, length in _members(path):
        key, suffix = _split(name)
        role = "image" if suffix in IMAGE_SUFFIXES else suffix
        samples.setdefault(key, {})[role] = (offset, length)
    if not samples:
        raise UserError(f"{path} is empty; remove it or write it again")
    rows = [
        (shard, *members["image"], *members[target])
        for members in samples.values()
        if "image" in members and target in members
    ]
    return rows, len(samples)


def _members(path: str) -> list[tuple[str, int, int]]:
    """List a tar's files: name, offset of the data, size."""
    length = size(path)
    truncated = UserError(f"{path} is truncated or no tar; write or download it again")
    try:
        with open_read(path) as handle, tarfile.open(fileobj=handle, mode="r:") as tar:
            members = [(member.name, member.offset_data, member.size) for member in tar if member.isfile()]
    except tarfile.ReadError:
        raise truncated from None
    # tarfile takes a header cut in two for the end of the archive
    if length % BLOCK or any(offset + count > length for _, offset, count in members):
        raise truncated
    return members


def _split(name: str) -> tuple[str, str]:
    """Split a member's name as WebDataset does, at the first dot of its base name."""
    key, _, suffix = basename(name).partition(".")
    return key, suffix.lower()
