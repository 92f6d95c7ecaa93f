"""Plain synchronous downloads: dumps, page views, path lists and archives over http(s)."""

import functools
import tempfile
from typing import IO

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from wit_builder.errors import UserError

_TIMEOUT = (10, 60)
"""Seconds to connect, and between two bytes."""

_CHUNK = 1 << 20
_ATTEMPTS = 6
"""Waits of 1, 2, 4, ... seconds between them, or what Retry-After says; Common Crawl
answers 403 and 503 under load."""


@functools.cache
def _session() -> requests.Session:
    retry = Retry(
        _ATTEMPTS, backoff_factor=1, backoff_jitter=1, status_forcelist=(403, 429, 500, 502, 503, 504)
    )
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def is_web(path: str) -> bool:
    """Tell whether a path is an http or https address."""
    return path.startswith(("http://", "https://"))


def open_url(url: str) -> IO[bytes]:
    """Download a file whole into an unnamed temporary file, which is given open at its begin.

    Raises:
        UserError: it is not there, or does not come after several tries.
    """
    handle = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        with _session().get(url, stream=True, timeout=_TIMEOUT) as response:
            response.raise_for_status()
            for chunk in response.iter_content(_CHUNK):
                handle.write(chunk)
    except requests.RequestException as error:
        handle.close()
        raise UserError(f"{url} cannot be downloaded ({_reason(error)}); check the address") from None
    handle.seek(0)
    return handle


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
