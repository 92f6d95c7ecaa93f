"""Where a page's links lead, and when two URLs are the same page or site."""

from collections.abc import Iterator
from contextlib import suppress

from selectolax.lexbor import LexborHTMLParser
from yarl import URL

from wit_builder.addresses import AGENT_TOKEN
from wit_builder.web import REDIRECTS, HttpResponse

_HTML = ("text/html", "application/xhtml+xml")


def canonical(url: URL) -> str:
    """Give the one form of a URL: no fragment, user, default port or dot segment."""
    return f"{url.origin()}{url.raw_path_qs}"


def site_of(url: URL) -> str:
    """Name the site of a URL: its host without "www.", http and https alike, and an unusual port."""
    host = (url.raw_host or "").removeprefix("www.")
    return host if url.port in (80, 443) else f"{host}:{url.port}"


def is_page(response: HttpResponse) -> bool:
    """Tell from the head of an answer whether a crawler keeps it: HTML, or a redirect."""
    kind = response.header("Content-Type").partition(";")[0].strip().lower()
    return response.status in REDIRECTS or not kind or kind in _HTML


def links_of(response: HttpResponse) -> Iterator[URL]:
    """Yield where a page's links lead, unless the page or the link says nofollow."""
    tree = LexborHTMLParser(response.body)
    tags = [node.attributes.get("content") or "" for node in tree.css('meta[name="robots" i]')]
    directives = ",".join([*tags, *response.header_lines("X-Robots-Tag")]).lower().split(",")
    if any(
        word.strip().removeprefix(f"{AGENT_TOKEN}:").strip() in ("nofollow", "none") for word in directives
    ):
        return
    base = URL(response.final_url)
    declared = tree.css_first("base[href]")
    with suppress(ValueError):
        base = base.join(URL((declared and declared.attributes.get("href")) or ""))
    for node in tree.css("a[href]"):
        if "nofollow" in (node.attributes.get("rel") or "").lower():
            continue
        href = (node.attributes.get("href") or "").strip()
        with suppress(ValueError):
            yield base.join(URL(href.replace("\n", "").replace("\r", "").replace("\t", "")))
