"""Images and the texts beside them, from one HTML page or one WAT record."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser, LexborNode
from yarl import URL

from wit_builder.records import TextSource
from wit_builder.rights import refusal_in_robots_tags, reserves_tdm

_META_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?\s*([\w-]{2,40})""", re.IGNORECASE)
_SNIFFED_BYTES = 1024
_LICENSE_HOST = "creativecommons.org/"


class Pair(NamedTuple):
    """An image address as the page gives it, and a text."""

    src: str
    text: str
    source: TextSource
    width: int | None = None
    """Declared width and height in pixels, if any."""
    height: int | None = None


class PageFacts(NamedTuple):
    """What holds for all pairs of a page."""

    base: str
    """Address that relative ones are resolved against."""
    opt_out: str | None = None
    license: str | None = None


def decode(body: bytes, header_charset: str | None) -> str:
    """Decode a page: the header's charset, else the meta tag's, else UTF-8, else Windows-1252."""
    found = _META_CHARSET.search(body[:_SNIFFED_BYTES])
    declared = header_charset or (found.group(1).decode("ascii", "ignore") if found else "utf-8")
    for charset in (declared, "utf-8"):
        try:
            return body.decode(charset)
        except (LookupError, UnicodeDecodeError):
            continue
    return body.decode("cp1252", "replace")


def page_facts(tree: LexborHTMLParser, url: str, agent: str) -> PageFacts:
    """Read base address, licence and opt-out of a page.

    Args:
        tree: the parsed page.
        url: its own address.
        agent: product token of our user agent.
    """
    base = tree.css_first("base[href]")
    link = tree.css_first("a[rel~=license][href], link[rel~=license][href]") or tree.css_first(
        f'a[href*="{_LICENSE_HOST}"]'
    )
    return PageFacts(
        base=urljoin(url, _attribute(base, "href")) if base else url,
        opt_out=_opt_out(
            [(_attribute(m, "name"), _attribute(m, "content")) for m in tree.css("meta")], agent
        ),
        license=_attribute(link, "href") or None if link else None,
    )


def _opt_out(metas: list[tuple[str, str]], agent: str) -> str | None:
    robots = [content for name, content in metas if name.lower() in ("robots", agent.lower())]
    directive = refusal_in_robots_tags(robots, agent)
    if directive:
        return f"meta robots: {directive}"
    if any(name.lower() == "tdm-reservation" and reserves_tdm(content) for name, content in metas):
        return "meta tdm-reservation: 1"
    return None


def pairs_from_html(tree: LexborHTMLParser) -> Iterator[Pair]:
    """List the pairs of a parsed page: img alt and title, figcaption, og:image."""
    for image in tree.css("img"):
        src = _attribute(image, "src")
        size = (_pixels(_attribute(image, "width")), _pixels(_attribute(image, "height")))
        yield Pair(src, _attribute(image, "alt"), TextSource.ALT, *size)
        title = _attribute(image, "title")
        if title:
            yield Pair(src, title, TextSource.TITLE, *size)
    for figure in tree.css("figure"):
        caption, pictured = figure.css_first("figcaption"), figure.css_first("img")
        if caption and pictured:
            yield Pair(_attribute(pictured, "src"), caption.text(separator=" "), TextSource.FIGCAPTION)
    yield from _open_graph(tree)


def _open_graph(tree: LexborHTMLParser) -> Iterator[Pair]:
    properties = {
        _attribute(meta, "property"): _attribute(meta, "content") for meta in tree.css("meta[property]")
    }
    text = properties.get("og:image:alt") or properties.get("og:title")
    if text and properties.get("og:image"):
        yield Pair(properties["og:image"], text, TextSource.OG)


def pairs_from_wat(links: list[dict[str, Any]]) -> Iterator[Pair]:
    """List the pairs among the links of a WAT record's HTML metadata."""
    for link in links:
        if link.get("path") == "IMG@/src":
            src = str(link.get("url") or "")
            yield Pair(src, str(link.get("alt") or ""), TextSource.ALT)
            if link.get("title"):
                yield Pair(src, str(link["title"]), TextSource.TITLE)


def wat_facts(head: dict[str, Any], url: str, agent: str) -> PageFacts:
    """Read base address and opt-out from the Head of a WAT record's HTML metadata."""
    metas = [(str(m.get("name", "")), str(m.get("content", ""))) for m in head.get("Metas") or []]
    return PageFacts(base=urljoin(url, str(head.get("Base") or "")), opt_out=_opt_out(metas, agent))


def resolve(base: str, src: str) -> str | None:
    """Make an image's address absolute and canonical, without its fragment.

    Returns:
        The address, or None if it is none.
    """
    try:
        url = URL(urljoin(base, "".join(src.split("\n")).strip()))
        return str(url.with_fragment(None)) if url.scheme and (url.host or url.scheme == "data") else None
    except ValueError:  # host names that are none raise it, some only when they are read
        return None


def parse(text: str) -> LexborHTMLParser:
    """Parse a page as a browser would."""
    return LexborHTMLParser(text)


def _attribute(node: LexborNode, name: str) -> str:
    return node.attributes.get(name) or ""


def _pixels(value: str) -> int | None:
    digits = value.strip().removesuffix("px")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 6 else None
