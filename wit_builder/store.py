"""The image store: tars of fetched images and, beside each, a Parquet index.

A tar carries its content hash in its name. Its index is written after it, names
it, and is the commit; a tar that no index names is an orphan.
"""

import errno
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, NamedTuple

import pyarrow as pa

from wit_builder import schemas, storage
from wit_builder.errors import UserError
from wit_builder.parts import PartSummary, read_table, write_table
from wit_builder.tar import TarWriter

_TAKES_NO_MORE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS)


class Location(NamedTuple):
    """Where the bytes of an image stand in a tar of the store."""

    offset: int
    size: int


class _HashedFile:
    """Passes bytes on and hashes them."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self._handle.write(data)


class StoreWriter:
    """Appends images to one tar of the store."""

    def __init__(self, handle: _HashedFile) -> None:
        self._tar = TarWriter(handle)  # type: ignore[arg-type]  # only write() is used
        self._handle = handle
        self._images = 0

    def append(self, data: bytes, extension: str) -> Location:
        """Add one image's bytes; members are numbered in the order of arrival."""
        offset = self._tar.add(f"{self._images:08d}.{extension}", data)
        self._images += 1
        return Location(offset, len(data))

    def close(self) -> str:
        """End the tar and give the first 16 hex digits of its SHA-256."""
        self._tar.close()
        return self._handle.sha256.hexdigest()[:16]


@contextmanager
def write_store_tar(folder: str, name: str, tars: list[str]) -> Iterator[StoreWriter]:
    """Write one tar of the store: {name}-{content hash}.tar.

    Args:
        folder: the store.
        name: of the part.
        tars: takes the tar's final name once all is written.
    """

    def final_name() -> str:
        tars.append(f"{name}-{digest}.tar")
        return tars[-1]

    with storage.write_file_named_last(folder, final_name) as handle:
        writer = StoreWriter(_HashedFile(handle))
        yield writer
        digest = writer.close()


@contextmanager
def told_when_full(folder: str) -> Iterator[None]:
    """Make a user's error of a disk that takes no more.

    Raises:
        UserError: it is full, over its quota, or may not be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _TAKES_NO_MORE:
            raise
        raise UserError(
            f"cannot write into {folder}: {error.strerror}; make room or mend its permissions "
            "and run again: what was written stays"
        ) from None


def commit_index(folder: str, name: str, rows: pa.Table, summary: PartSummary) -> str:
    """Write the index of a part, which commits it, and give its path.

    Args:
        folder: the store.
        name: of the part.
        rows: in `schemas.FETCHED_IMAGE`.
        summary: of the fetch.
    """
    path = storage.join(folder, f"{name}.parquet")
    write_table(path, rows.cast(schemas.FETCHED_IMAGE), summary)
    return path


def sweep_orphans(folder: str) -> int:
    """Remove the tars that no index names; give their number."""
    named: set[str] = set()
    for index in storage.list_dir(folder, ".parquet"):
        named.update(read_table(index, ["store_file"]).column("store_file").drop_null().unique().to_pylist())
    orphans = [tar for tar in storage.list_dir(folder, ".tar") if storage.basename(tar) not in named]
    for tar in orphans:
        storage.remove(tar)
    return len(orphans)
