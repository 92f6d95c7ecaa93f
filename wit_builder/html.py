"""Images and the texts beside them, from one HTML page."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode

from wit_builder.json_ld import image_objects
from wit_builder.records import TextSource
from wit_builder.rights import refusal_in_robots_tags, reserves_tdm
from wit_builder.srcset import largest
from wit_builder.tagscan import Pieces, pieces_of

Attributes = Mapping[str, str | None]

ALL_SOURCES = frozenset(TextSource)
IMAGE_SOURCES = frozenset((TextSource.ALT, TextSource.TITLE, TextSource.FIGCAPTION))
"""Texts that need an img element."""

_LICENSE_HOST = "creativecommons.org/"
_SRCSETS = ("srcset", "data-srcset", "data-lazy-srcset")
_LAZY = ("data-src", "data-original", "data-lazy-src", "data-lazy", "data-image", "data-url")
"""Where scripts find the image that they put in place of a placeholder in `src`."""
_UNREADABLE_TYPES = ("image/svg+xml", "image/avif", "image/jxl", "image/heic")
"""Sources of a picture that are no photo, or that few decoders read."""
_FACT_SIGNS = (b"<base", b"<a", b"<link", b"<script", b"robots", b"tdm-reservation", b"og:", b"&")
_ODD = re.compile(rb"[&\0\r]")
_ATTRIBUTE = re.compile(
    r"""([^ \n\t\f/][^ \n\t\f/=]*)[ \n\t\f]*"""
    r"""(?:=[ \n\t\f]*(?:"([^"]*)"|'([^']*)'|([^ \n\t\f]*)))?"""
)
"""Name and value, by the HTML standard's tokeniser (13.2.5.32 to 38)."""
_MOST_PARSED = 16 << 20
"""Bytes of a page that is parsed whole: its tree takes some twenty times as much memory."""


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

    base: str | None = None
    """What its base element declares, as it stands there."""
    opt_out: str | None = None
    license: str | None = None
    """Address of its licence, as it stands there."""


class OversizedPageError(ValueError):
    """A page that would have to be parsed whole is too long for it."""


def read_page(
    page: bytes, agent: str, sources: frozenset[TextSource] = ALL_SOURCES
) -> tuple[PageFacts, Iterator[Pair]]:
    """Read facts and pairs of a page; what does not matter is cut away before parsing.

    Args:
        page: HTML in UTF-8.
        agent: product token of our user agent.
        sources: kinds of texts to look for.

    Raises:
        OversizedPageError: only a full parse can tell, and the page has over 16 MiB.
    """
    pieces = pieces_of(page)
    if pieces is None:
        if len(page) > _MOST_PARSED:
            raise OversizedPageError
        return read_whole_page(page, agent, sources)
    facts, images = pieces.facts(), _pairs_of_pieces(pieces, sources)
    if not _may_matter(facts, agent):
        return PageFacts(), images
    tree = LexborHTMLParser(facts)
    metas = _metas(tree)
    return page_facts(tree, metas, agent), _pairs(images, tree, metas, sources)


def read_whole_page(
    page: bytes, agent: str, sources: frozenset[TextSource] = ALL_SOURCES
) -> tuple[PageFacts, Iterator[Pair]]:
    """As `read_page`, by a full parse: slower, and the measure of what is right."""
    tree = LexborHTMLParser(page)
    metas = _metas(tree)
    return page_facts(tree, metas, agent), _pairs(pairs_of_images(tree, sources), tree, metas, sources)


def _metas(tree: LexborHTMLParser) -> Sequence[Attributes]:
    return [meta.attributes for meta in tree.css("meta")]


def _may_matter(facts: bytes, agent: str) -> bool:
    """Tell whether a page's base, meta, script and licence tags may say anything that is asked."""
    small = facts.lower()
    return any(sign in small for sign in (*_FACT_SIGNS, agent.lower().encode()))


def _pairs_of_pieces(pieces: Pieces, sources: frozenset[TextSource]) -> Iterator[Pair]:
    """List the pairs of a page's images; tags that any reader understands are not parsed by lexbor."""
    for some in pieces.images():
        text = b"".join(some)
        if _ODD.search(text) or not all(piece[:4].lower() == b"<img" for piece in some):
            yield from pairs_of_images(LexborHTMLParser(text), sources)
        else:
            for piece in some:
                yield from _pairs_of_image(_attributes(piece[4:-1].decode()), None, sources)


def _attributes(tag: str) -> Attributes:
    """Read the attributes of a tag without entities; the first of a name counts."""
    found = _ATTRIBUTE.findall(tag)
    return {name.lower(): double or single or bare for name, double, single, bare in reversed(found)}


def _pairs(
    images: Iterable[Pair],
    facts: LexborHTMLParser,
    metas: Sequence[Attributes],
    sources: frozenset[TextSource],
) -> Iterator[Pair]:
    yield from images
    if TextSource.JSON_LD in sources:
        yield from _linked_data(facts)
    if TextSource.OG in sources:
        yield from open_graph(
            (m.get("property") or m.get("name") or "", m.get("content") or "") for m in metas
        )


def page_facts(tree: LexborHTMLParser, metas: Sequence[Attributes], agent: str) -> PageFacts:
    """Read base address, licence and opt-out of a page.

    Args:
        tree: the parsed page.
        metas: attributes of its meta elements.
        agent: product token of our user agent.
    """
    base = tree.css_first("base[href]")
    link = tree.css_first("a[rel~=license i][href], link[rel~=license i][href]") or tree.css_first(
        f'a[href*="{_LICENSE_HOST}"]'
    )
    return PageFacts(
        base=_attribute(base, "href") or None if base else None,
        opt_out=opt_out_of(((m.get("name") or "", m.get("content") or "") for m in metas), agent),
        license=_attribute(link, "href") or None if link else None,
    )


def opt_out_of(metas: Iterable[tuple[str, str]], agent: str) -> str | None:
    """Find in (name, content) of meta elements the ground on which a page refuses use."""
    names = [(name.lower(), content) for name, content in metas if name]
    directive = refusal_in_robots_tags(
        (content for name, content in names if name in ("robots", agent.lower())), agent
    )
    if directive:
        return f"meta robots: {directive}"
    if any(name == "tdm-reservation" and reserves_tdm(content) for name, content in names):
        return "meta tdm-reservation: 1"
    return None


def pairs_of_images(tree: LexborHTMLParser, sources: frozenset[TextSource] = ALL_SOURCES) -> Iterator[Pair]:
    """List the pairs of a page's img elements: alt and title; then those of its figures."""
    has_pictures = tree.css_first("picture") is not None
    for image in tree.css("img"):
        yield from _pairs_of_image(image.attributes, image.parent if has_pictures else None, sources)
    if TextSource.FIGCAPTION in sources:
        yield from _figures(tree)


def _pairs_of_image(
    attributes: Attributes, parent: LexborNode | None, sources: frozenset[TextSource]
) -> Iterator[Pair]:
    src = _address(attributes, parent)
    size = (_pixels(attributes.get("width")), _pixels(attributes.get("height")))
    yield Pair(src, attributes.get("alt") or "", TextSource.ALT, *size)
    title = attributes.get("title")
    if title and TextSource.TITLE in sources:
        yield Pair(src, title, TextSource.TITLE, *size)


def _figures(tree: LexborHTMLParser) -> Iterator[Pair]:
    """Pair each caption with the first image of its figure."""
    for caption in tree.css("figcaption"):
        figure = caption.parent
        while figure is not None and figure.tag != "figure":
            figure = figure.parent
        image = figure.css_first("img") if figure is not None else None
        if image is not None:
            attributes = image.attributes
            yield Pair(_address(attributes, image.parent), caption.text(separator=" "), TextSource.FIGCAPTION)


def _address(attributes: Attributes, parent: LexborNode | None) -> str:
    """Choose the image's address: the largest of its srcsets, else what loads lazily, else src."""
    srcsets = [found for name in _SRCSETS if (found := attributes.get(name))]
    if parent is not None and parent.tag == "picture":
        for source in parent.css("source"):
            described = source.attributes
            if (described.get("type") or "").strip().lower() not in _UNREADABLE_TYPES:
                srcsets += [found for name in _SRCSETS if (found := described.get(name))]
    best = largest(srcsets) if srcsets else None
    if best:
        return best
    return next((lazy for name in _LAZY if (lazy := attributes.get(name))), attributes.get("src") or "")


def open_graph(metas: Iterable[tuple[str, str]]) -> Iterator[Pair]:
    """List the images of Open Graph meta elements, each with its own alt or the page's title.

    Args:
        metas: property and content, in the page's order: what follows an og:image describes it.
    """
    images: list[list[str]] = []
    title = ""
    for name, content in metas:
        if name in ("og:image", "og:image:url") and content:
            if not images or images[-1][0] != content:
                images.append([content, ""])
        elif name == "og:image:alt" and images:
            images[-1][1] = content
        elif name == "og:title":
            title = title or content
    for src, text in images:
        if text or title:
            yield Pair(src, text or title, TextSource.OG)


def _linked_data(tree: LexborHTMLParser) -> Iterator[Pair]:
    for script in tree.css("script[type]"):
        if _attribute(script, "type").strip().lower() == "application/ld+json":
            for url, text in image_objects(script.text()):
                yield Pair(url, text, TextSource.JSON_LD)


def _attribute(node: LexborNode, name: str) -> str:
    return node.attributes.get(name) or ""


def _pixels(value: str | None) -> int | None:
    if not value:
        return None
    digits = value.strip().removesuffix("px")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 6 else None
