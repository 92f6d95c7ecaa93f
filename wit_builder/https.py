"""Plain synchronous downloads: dumps, page views, path lists and archives over http(s)."""

import functools
import io
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import IO, TYPE_CHECKING

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from wit_builder.errors import UserError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_TIMEOUT = (10, 60)
"""Seconds to connect, and between two bytes."""

_CHUNK = 1 << 20
_BLOCK = 8 << 20
_PARTIAL = HTTPStatus.PARTIAL_CONTENT
_EMPTY = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
"""What a server says to a range of a file without bytes."""
_ATTEMPTS = 6
"""Between them are the waits of `backoff_seconds`, or what Retry-After says."""
_BUSY = (403, 429, 500, 502, 503, 504)
"""What is asked for again; Common Crawl answers 403 and 503 under load."""


def backoff_seconds(url: str, attempt: int) -> float:
    """Give the wait before an attempt: 1, 2, 4, ... seconds, and up to as much again by a hash.

    Args:
        url: what is asked for; readers of different files do not ask in step.
        attempt: how many have failed, from 1 on.
    """
    share = zlib.crc32(f"{url} {attempt}".encode()) / 2**32
    return 2.0 ** (attempt - 1) * (1 + share)


class _Retry(Retry):
    """Waits as `backoff_seconds` says, from the first failure on."""

    def get_backoff_time(self) -> float:
        return backoff_seconds(self.history[-1].url or "", len(self.history)) if self.history else 0.0


@functools.cache
def _session() -> requests.Session:
    retry = _Retry(_ATTEMPTS, status_forcelist=_BUSY, respect_retry_after_header=True)
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def is_web(path: str) -> bool:
    """Tell whether a path is an http or https address."""
    return path.startswith(("http://", "https://"))


def open_url(url: str) -> IO[bytes]:
    """Open a file for reading; seekable.

    A server that gives ranges is asked for 8 MiB at a time, where they are read. Of
    another the file is downloaded whole into an unnamed temporary file.

    Raises:
        UserError: it is not there, or does not come after several tries.
    """
    with _asked(url, _range(0), stream=True) as response:
        if response.status_code == _PARTIAL:
            return io.BufferedReader(_Ranges(url, response))
        return _downloaded(response)


def _range(start: int) -> dict[str, str]:
    return {"Range": f"bytes={start}-{start + _BLOCK - 1}", "Accept-Encoding": "identity"}


@contextmanager
def _asked(url: str, headers: Mapping[str, str], stream: bool = False) -> Iterator[requests.Response]:
    try:
        with _session().get(url, headers=headers, stream=stream, timeout=_TIMEOUT) as response:
            if response.status_code != _EMPTY:
                response.raise_for_status()
            yield response
    except requests.RequestException as error:
        raise UserError(f"{url} cannot be downloaded ({_reason(error)}); check the address") from None


def _downloaded(response: requests.Response) -> IO[bytes]:
    handle = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        for chunk in response.iter_content(_CHUNK) if response.status_code != _EMPTY else ():
            handle.write(chunk)
    except requests.RequestException:
        handle.close()
        raise
    handle.seek(0)
    return handle


class _Ranges(io.RawIOBase):
    """A remote file, read block by block."""

    def __init__(self, url: str, first: requests.Response) -> None:
        self._url = url
        self._size = int(first.headers["Content-Range"].rpartition("/")[2])
        self._version = first.headers.get("ETag") or first.headers.get("Last-Modified")
        self._position = self._start = 0
        self._block = first.content

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, begin + offset)
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        if self._position >= self._size:
            return 0
        if not self._start <= self._position < self._start + len(self._block):
            self._block, self._start = self._fetch(self._position), self._position
        view = memoryview(buffer).cast("B")
        data = self._block[self._position - self._start :][: len(view)]
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _fetch(self, start: int) -> bytes:
        version = {"If-Range": self._version} if self._version else {}
        for attempt in range(1, _ATTEMPTS + 1):
            with _asked(self._url, {**_range(start), **version}, stream=True) as response:
                if response.status_code != _PARTIAL:
                    raise UserError(f"{self._url} changed while it was read; run again")
                with suppress(requests.exceptions.ChunkedEncodingError, requests.ConnectionError):
                    return response.content
            time.sleep(backoff_seconds(self._url, attempt))  # it broke off: the next may not
        raise UserError(f"{self._url} breaks off at byte {start} again and again; run again")


def head(url: str) -> requests.structures.CaseInsensitiveDict[str] | None:
    """Ask for a file's headers; None if it is not there.

    Raises:
        UserError: the server does not answer.
    """
    try:
        response = _session().head(url, timeout=_TIMEOUT, allow_redirects=True)
    except requests.RequestException as error:
        raise UserError(f"{url} cannot be reached ({_reason(error)}); check the address") from None
    return response.headers if response.ok else None


def _reason(error: requests.RequestException) -> str:
    return f"HTTP {error.response.status_code}" if error.response is not None else type(error).__name__
