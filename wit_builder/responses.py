"""HTTP responses as archives hold them: a status line, headers and a body that may still be packed."""

import re
from typing import NamedTuple

import brotli
from isal import isal_zlib

MOST_BYTES = 64 << 20
"""A body that unpacks to more is cut there: no page is longer."""

_GZIP_ERROR: type[Exception] = isal_zlib.IsalError  # type: ignore[assignment]  # the stub: an instance
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/\d(?:\.\d)? +(\d{3})")
_HEADER = re.compile(
    rb"\n(content-type|content-encoding|transfer-encoding|x-robots-tag|tdm-reservation)"
    rb"[ \t]*:[ \t]*([^\r\n]*)",
    re.IGNORECASE,
)
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([^\s"';,]+)""", re.IGNORECASE)
_CHUNK_SIZE = re.compile(rb"\s{0,4}([0-9a-fA-F]{1,16})[^\n]{0,256}\n")
_GZIP, _ZLIB = 31, 15
"""Window bits of zlib with either header."""


class Response(NamedTuple):
    """What an HTTP response says of itself, and its body as it came."""

    status: int
    headers: list[tuple[str, str]]
    """Those that matter here, names in lower case."""
    body: bytes

    def header(self, name: str) -> str:
        """Give a header's last value, or nothing."""
        return next((value for key, value in reversed(self.headers) if key == name), "")

    @property
    def media_type(self) -> str:
        """Content type without parameters, in lower case."""
        return self.header("content-type").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str | None:
        """Charset that the content type names."""
        found = _CHARSET.search(self.header("content-type"))
        return found[1] if found else None


def read_response(record: bytes) -> Response | None:
    """Read the HTTP response in a record's body; None if it is none."""
    status = _STATUS.match(record)
    end = _BLANK_LINE.search(record)
    if not status or not end:
        return None
    headers = [
        (name.decode().lower(), value.decode("latin-1").strip())
        for name, value in _HEADER.findall(record[: end.start()])
    ]
    return Response(int(status[1]), headers, record[end.end() :])


def unpacked(response: Response) -> bytes:
    """Give the body without chunks and compression.

    An archive may have taken those away and left the headers: a body that is not as they say is given
    as it is.

    Raises:
        ValueError: the body cannot be unpacked.
    """
    body = response.body
    if "chunked" in response.header("transfer-encoding").lower():
        body = _without_chunks(body)
    for coding in reversed(response.header("content-encoding").lower().replace(" ", "").split(",")):
        if coding in ("gzip", "x-gzip", "deflate"):
            body = _inflated(body)
        elif coding == "br":
            body = _unbrotlied(body)
    return body


def _without_chunks(body: bytes) -> bytes:
    parts, at = [], 0
    while size := _CHUNK_SIZE.match(body, at):
        length = int(size[1], 16)
        parts.append(body[size.end() : size.end() + length])
        at = size.end() + length
        if not length:
            break
    return b"".join(parts) if parts else body


def _inflated(body: bytes) -> bytes:
    if body.startswith(b"\x1f\x8b"):
        window = _GZIP
    elif body[:1] == b"\x78":
        window = _ZLIB
    else:
        return body
    try:
        return bytes(isal_zlib.decompressobj(window).decompress(body, MOST_BYTES))
    except _GZIP_ERROR as error:
        raise ValueError(f"the body cannot be unpacked: {error}") from None


def _unbrotlied(body: bytes) -> bytes:
    if body.lstrip()[:1] == b"<":
        return body
    try:
        return bytes(brotli.Decompressor().process(body, output_buffer_limit=MOST_BYTES))
    except (brotli.error, TypeError) as error:
        raise ValueError(f"the body cannot be unpacked: {error}") from None
