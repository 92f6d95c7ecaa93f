"""Every path of the pure core and the trainer: local, https, s3, gs, hdfs (fsspec).

Beam's own reads and writes use Beam's filesystems; nothing else opens a path
by another way than this module.
"""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from wit_builder import https
from wit_builder.errors import UserError

__all__ = [
    "UserError",
    "basename",
    "exists",
    "expand",
    "is_local",
    "join",
    "list_dir",
    "local_copy",
    "open_read",
    "read_bytes",
    "read_range",
    "read_ranges",
    "remove",
    "remove_leftovers",
    "size",
    "write_bytes",
    "write_file",
    "write_file_named_last",
]

_TEMPORARY = ".tmp-"
_IN_FLIGHT = 100
"""Ranges asked for at a time: an object store takes tens of milliseconds for one, most of it waiting."""


def is_local(path: str) -> bool:
    """Tell whether `path` is on this machine's own filesystem."""
    return "://" not in path or path.startswith("file://")


def join(folder: str, *names: str) -> str:
    """Append names to a folder's path, with one slash between."""
    return "/".join([folder.rstrip("/"), *names])


def basename(path: str) -> str:
    """Give the last name of a path."""
    return path.rstrip("/").rpartition("/")[2]


def _filesystem(path: str) -> tuple[Any, str]:
    try:
        filesystem, inner = fsspec.core.url_to_fs(path, use_listings_cache=False)
    except ImportError as error:
        scheme = path.partition("://")[0]
        extra = {"s3": "s3", "gs": "gcs", "gcs": "gcs"}.get(scheme)
        remedy = f"pip install 'wit-builder[{extra}]'" if extra else str(error)
        raise UserError(f"cannot open {path}: support for {scheme}:// is not installed; {remedy}") from None
    except ValueError as error:
        raise UserError(f"cannot open {path}: {error}; use a local path, https, s3, gs or hdfs") from None
    return filesystem, inner


def exists(path: str) -> bool:
    """Tell whether a file or folder is there."""
    if https.is_web(path):
        return https.head(path) is not None
    filesystem, inner = _filesystem(path)
    return bool(filesystem.exists(inner))


def size(path: str) -> int:
    """Give a file's size in bytes.

    Raises:
        UserError: the file is not there.
    """
    if https.is_web(path):
        headers = https.head(path)
        if headers is None:
            raise UserError(f"{path} does not exist; check the address")
        return int(headers.get("Content-Length", 0))
    filesystem, inner = _filesystem(path)
    try:
        return int(filesystem.size(inner))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; check the path") from None


def _full(path: str, filesystem: Any, inner: str) -> str:
    if isinstance(filesystem, LocalFileSystem):
        return inner
    return inner if "://" in inner else f"{path.partition('://')[0]}://{inner}"


def expand(pattern: str) -> list[str]:
    """List the files that a path, folder-free glob or `**` glob names, sorted.

    Raises:
        UserError: nothing matches.
    """
    if https.is_web(pattern):
        return [pattern]  # a glob cannot be listed; whether it is there shows when it is read
    filesystem, inner = _filesystem(pattern)
    if any(sign in pattern for sign in "*?["):
        found = sorted(_full(pattern, filesystem, name) for name in filesystem.glob(inner))
    else:
        found = [pattern] if filesystem.exists(inner) else []
    if not found:
        raise UserError(f"no file matches {pattern}; check the path")
    return found


def list_dir(folder: str, suffix: str = "") -> list[str]:
    """List the files directly in a folder whose names end with `suffix`, sorted.

    A folder that does not exist is empty.
    """
    filesystem, inner = _filesystem(folder)
    filesystem.invalidate_cache()
    if not filesystem.isdir(inner):
        return []
    names = [entry["name"] for entry in filesystem.ls(inner, detail=True) if entry["type"] == "file"]
    return sorted(_full(folder, filesystem, name) for name in names if name.endswith(suffix))


def open_read(path: str) -> IO[bytes]:
    """Open a file for reading bytes; seekable.

    Raises:
        UserError: the file is not there or may not be read.
    """
    if https.is_web(path):
        return https.open_url(path)
    filesystem, inner = _filesystem(path)
    try:
        handle: IO[bytes] = filesystem.open(inner, "rb")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; check the path") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder; name a file") from None
    except PermissionError:
        raise UserError(f"{path} may not be read; check its permissions") from None
    return handle


def read_bytes(path: str) -> bytes:
    """Read a whole (small) file."""
    with open_read(path) as handle:
        return handle.read()


def read_range(path: str, start: int, length: int) -> bytes:
    """Read `length` bytes from byte `start`, with no read-ahead."""
    filesystem, inner = _filesystem(path)
    data: bytes = filesystem.cat_file(inner, start=start, end=start + length)
    return data


def read_ranges(folder: str, ranges: Sequence[tuple[str, int, int]]) -> list[bytes]:
    """Read many ranges at once, as many in flight as one connection pool takes.

    Args:
        folder: where the files are.
        ranges: name of a file, first byte, byte to stop before.

    Raises:
        UserError: a file is not there.
    """
    filesystem, inner = _filesystem(folder)
    names, starts, ends = zip(*ranges, strict=True) if ranges else ((), (), ())
    try:
        data: list[bytes] = filesystem.cat_ranges(
            [join(inner, name) for name in names],
            list(starts),
            list(ends),
            on_error="raise",
            batch_size=_IN_FLIGHT,
        )
    except FileNotFoundError as error:
        raise UserError(f"{folder} lacks a file that its index names ({error}); restore it") from None
    return data


def remove(path: str) -> None:
    """Remove a file, if it is there."""
    filesystem, inner = _filesystem(path)
    if filesystem.exists(inner):
        filesystem.rm_file(inner)


@contextmanager
def write_file(path: str) -> Iterator[IO[bytes]]:
    """Write a file that appears under its name complete or not at all.

    Local: a temporary file in the same folder, fsync, rename. Remote: a local
    temporary file, then one upload. An exception inside leaves nothing.

    Raises:
        UserError: the folder cannot be written.
    """
    folder, _, name = path.rpartition("/")
    with write_file_named_last(folder or ".", lambda: name) as handle:
        yield handle


@contextmanager
def write_file_named_last(folder: str, name: Callable[[], str]) -> Iterator[IO[bytes]]:
    """As `write_file`, for a file whose name depends on its content.

    Args:
        folder: where it will appear.
        name: asked for the file's name when all bytes are written.

    Raises:
        UserError: the folder cannot be written.
    """
    filesystem, inner = _filesystem(folder)
    local = isinstance(filesystem, LocalFileSystem)
    try:
        if local:
            os.makedirs(inner, exist_ok=True)
        handle = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed below, then renamed
            dir=inner if local else None, prefix=_TEMPORARY, delete=False
        )
    except OSError as error:
        raise UserError(f"cannot write into {folder}: {error.strerror}; choose another folder") from None
    try:
        with handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        if local:
            os.chmod(handle.name, 0o644)
            os.replace(handle.name, join(inner, name()))
            _sync_folder(inner)
        else:
            filesystem.put_file(handle.name, join(inner, name()))
    finally:
        Path(handle.name).unlink(missing_ok=True)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: str, data: bytes) -> None:
    """Write a whole (small) file, complete or not at all."""
    with write_file(path) as handle:
        handle.write(data)


def remove_leftovers(folder: str) -> None:
    """Remove the temporary files that a killed run left in a local folder and below it."""
    filesystem, inner = _filesystem(folder)
    if isinstance(filesystem, LocalFileSystem):
        for path in Path(inner).rglob(f"{_TEMPORARY}*"):
            path.unlink(missing_ok=True)


def local_copy(path: str, digest: str) -> str:
    """Give a local path of an artifact that will be memory-mapped.

    A local file is given as it is. A remote one is copied once per machine, to
    a cache file named by its digest, under a lock.

    Args:
        path: the artifact.
        digest: SHA-256 of its content, in hex.

    Raises:
        UserError: the file that came does not have that digest.
    """
    if is_local(path):
        return path.removeprefix("file://")
    cache = Path(tempfile.gettempdir()) / f"wit-builder-{os.getuid()}"
    cache.mkdir(mode=0o700, exist_ok=True)
    target = cache / digest
    with (cache / f"{digest}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            data = read_bytes(path)
            if hashlib.sha256(data).hexdigest() != digest:
                raise UserError(f"{path} is not the file with SHA-256 {digest}; build the vocabulary again")
            write_bytes(str(target), data)
    return str(target)
