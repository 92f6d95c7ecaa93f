"""Sitemaps (sitemaps.org protocol 0.9): which pages a site would like to be found.

They are read by a regular expression, not as XML: a broken or cut file gives what
stands before the fault, and no entity or reference is ever followed.
"""

import html
import re
import zlib
from collections.abc import Iterator
from typing import NamedTuple

MAX_ENTRIES = 50_000
"""The protocol's limit; what stands after so many addresses is not read."""

_IN_ROBOTS = re.compile(rb"^[ \t]*sitemap[ \t]*:[ \t]*([^\s#]+)", re.IGNORECASE | re.MULTILINE)
_LOCATION = re.compile(rb"<(?:\w{1,20}:)?loc\s*>\s*(?:<!\[CDATA\[)?\s*([^\s<\]]{1,2048})")
_INDEX = re.compile(rb"<(?:\w{1,20}:)?sitemapindex[\s>]", re.IGNORECASE)
_HEAD = 4_096  # bytes in which the root element begins
_GZIP = b"\x1f\x8b"


class Entry(NamedTuple):
    """An address in a sitemap."""

    url: str
    is_sitemap: bool


def sitemaps_in_robots(body: bytes, limit: int) -> list[str]:
    """List the sitemaps that a robots.txt names, at most `limit`, each once."""
    found = dict.fromkeys(match[1].decode(errors="replace") for match in _IN_ROBOTS.finditer(body))
    return list(found)[:limit]


def entries_of(body: bytes, max_bytes: int) -> Iterator[Entry]:
    """Yield the addresses of a sitemap, of an index of sitemaps, or of a plain list of addresses.

    Args:
        body: of the answer; gzip or not.
        max_bytes: what is longer when unpacked is read up to there.
    """
    text = _unpacked(body, max_bytes)
    index = _INDEX.search(text[:_HEAD]) is not None
    if b"<" in text[:_HEAD]:
        addresses = (match[1] for match in _LOCATION.finditer(text))
    else:
        addresses = (line for line in text.split() if line.startswith((b"http://", b"https://")))
    for _, address in zip(range(MAX_ENTRIES), addresses, strict=False):
        yield Entry(html.unescape(address.decode(errors="replace")), index)


def _unpacked(body: bytes, max_bytes: int) -> bytes:
    if not body.startswith(_GZIP):
        return body[:max_bytes]
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(body, max_bytes)
    except zlib.error:
        return b""
