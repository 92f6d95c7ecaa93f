"""What a page says of itself and where it leads; when two URLs are the same page, site or domain."""

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

from selectolax.lexbor import LexborHTMLParser
from yarl import URL

from wit_builder.addresses import AGENT_TOKEN
from wit_builder.hashing import hash_text
from wit_builder.rates import Rates
from wit_builder.web import REDIRECTS, HttpResponse

_HTML = ("text/html", "application/xhtml+xml")
_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([\w.:-]{2,40})""", re.IGNORECASE)
_SNIFFED = 1_024  # bytes
_RATES = Rates()  # who shares a rate shares a shard


class Links(NamedTuple):
    """Where a page leads."""

    targets: tuple[URL, ...]
    """None if the page says nofollow; links that say so are left out."""
    canonical: URL | None
    """Under which address the site would have the page known (RFC 6596)."""


def canonical(url: URL) -> str:
    """Give the one form of a URL: no fragment, user, default port or dot segment."""
    return f"{url.origin()}{url.raw_path_qs}"


def site_of(url: URL) -> str:
    """Name the site of a URL: its host without "www.", http and https alike, and an unusual port."""
    host = (url.raw_host or "").removeprefix("www.")
    return host if url.port in (80, 443) else f"{host}:{url.port}"


@lru_cache(maxsize=65_536)
def shard_of(host: str, shards: int) -> int:
    """Give the shard, 0 to `shards` - 1, that asks a host: one shard a registrable domain.

    Args:
        host: host:port.
        shards: how many there are.
    """
    return hash_text(_RATES.group_of(f"http://{host}/")) % shards if shards > 1 else 0


def is_page(response: HttpResponse) -> bool:
    """Tell from the head of an answer whether a crawler keeps it: HTML, or a redirect."""
    kind = response.header("Content-Type").partition(";")[0].strip().lower()
    return response.status in REDIRECTS or not kind or kind in _HTML


def links_of(response: HttpResponse) -> Links:
    """Read a page's links."""
    tree = LexborHTMLParser(response.body)
    base = URL(response.final_url)
    declared = tree.css_first("base[href]")
    with suppress(ValueError):
        base = base.join(URL((declared and declared.attributes.get("href")) or ""))
    named = tree.css_first("link[rel~=canonical i][href]")
    home = _joined(base, (named and named.attributes.get("href")) or "") if named else None
    return Links(() if _says_nofollow(tree, response) else tuple(_targets(tree, base)), home)


def _says_nofollow(tree: LexborHTMLParser, response: HttpResponse) -> bool:
    tags = [node.attributes.get("content") or "" for node in tree.css('meta[name="robots" i]')]
    directives = ",".join([*tags, *response.header_lines("X-Robots-Tag")]).lower().split(",")
    return any(
        word.strip().removeprefix(f"{AGENT_TOKEN}:").strip() in ("nofollow", "none") for word in directives
    )


def _targets(tree: LexborHTMLParser, base: URL) -> Iterator[URL]:
    seen = set()
    for node in tree.css("a[href]"):
        attributes = node.attributes
        href = (attributes.get("href") or "").partition("#")[0]
        if "nofollow" in (attributes.get("rel") or "").lower() or href in seen:
            continue
        seen.add(href)
        target = _joined(base, href)
        if target is not None:
            yield target


def _joined(base: URL, href: str) -> URL | None:
    try:
        return base.join(URL(href.strip().replace("\n", "").replace("\r", "").replace("\t", "")))
    except ValueError:
        return None


def charset_of(response: HttpResponse) -> str:
    """Name the charset of a page as a browser would find it, in small letters.

    From a byte order mark, the header, or a meta tag; else whether the body is UTF-8.
    """
    body = response.body
    for mark, name in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16le"), (b"\xfe\xff", "utf-16be")):
        if body.startswith(mark):
            return name
    header = response.header("Content-Type").encode(errors="replace")
    found = _CHARSET.search(header) or _CHARSET.search(body[:_SNIFFED])
    if found:
        return found[1].decode(errors="replace").lower()
    try:
        body.decode()
    except UnicodeDecodeError:
        return "windows-1252"
    return "utf-8"
