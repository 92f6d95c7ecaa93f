"""What a WAT record says of a page: Common Crawl's JSON of links and head elements."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec

from wit_builder.html import PageFacts, Pair, open_graph, opt_out_of
from wit_builder.records import TextSource
from wit_builder.srcset import largest
from wit_builder.tagscan import may_name_license

_IMAGE_PATHS = frozenset(
    f"IMG@/{name}" for name in ("src", "data-src", "data-original", "data-lazy-src", "data-lazy")
)
_SRCSET_PATHS = frozenset(f"IMG@/{name}" for name in ("srcset", "data-srcset", "data-lazy-srcset"))
_CHECKED = 64
_WHOLE_SIGN = b'"Envelope"'
_PAGE_SIGN = b'"HTML-Metadata"'
_IMAGE_SIGN = b"IMG@/"
_OPEN_GRAPH_SIGN = b"og:image"
_LICENSE_RELATION = re.compile(rb'"rel":"[^"]*(?i:license)')
_LICENSE_HOST_SIGN = b"creativecommons.org"
_LICENSE_HOST = "creativecommons.org/"


class _Link(msgspec.Struct, gc=False):
    path: Any = None
    url: Any = None
    alt: Any = None
    title: Any = None
    rel: Any = None


class _Meta(msgspec.Struct, gc=False):
    name: Any = None
    property: Any = None
    content: Any = None


class _Head(msgspec.Struct, gc=False):
    base: Any = msgspec.field(name="Base", default=None)
    metas: list[_Meta] | None = msgspec.field(name="Metas", default=None)
    links: list[_Link] | None = msgspec.field(name="Link", default=None)


class _Page(msgspec.Struct, gc=False):
    head: _Head | None = msgspec.field(name="Head", default=None)
    links: msgspec.Raw = msgspec.field(name="Links", default_factory=msgspec.Raw)


class _Message(msgspec.Struct, gc=False):
    status: Any = msgspec.field(name="Status", default=None)


class _Response(msgspec.Struct, gc=False):
    message: _Message | None = msgspec.field(name="Response-Message", default=None)
    headers: dict[str, Any] | None = msgspec.field(name="Headers", default=None)
    page: _Page | None = msgspec.field(name="HTML-Metadata", default=None)


class _Payload(msgspec.Struct, gc=False):
    response: _Response | None = msgspec.field(name="HTTP-Response-Metadata", default=None)


class _Envelope(msgspec.Struct, gc=False):
    payload: _Payload = msgspec.field(name="Payload-Metadata")


class _Wat(msgspec.Struct, gc=False):
    envelope: _Envelope = msgspec.field(name="Envelope")


_decode = msgspec.json.Decoder(_Wat).decode
_decode_links = msgspec.json.Decoder(list[_Link] | None).decode
_IMAGE_LINK = re.compile(rb"""\{"path":"IMG@/[^"\\]*"(?:,"[\w-]+":"[^"\\]*(?:\\.[^"\\]*)*")*\}""", re.DOTALL)
"""A link as Common Crawl writes it: the path first, all values strings."""
_PATH_KEY = b'{"path":'
_IMAGE_PATH = b'"IMG@'
_LINKS_KEY, _LINKS_END = b'"Links":[', b'"}]'
"""Neither stands inside a string, where a backslash comes before each quote."""
_BACKSLASH = 0x5C


def _image_links(links: bytes) -> list[_Link]:
    """Decode the images among some links, and if they are written in an unusual way all links."""
    images, at = [], links.find(_IMAGE_PATH)
    while at >= 0:
        if links[at - 1] != _BACKSLASH:  # else a text speaks of it
            found = _IMAGE_LINK.match(links, max(0, at - len(_PATH_KEY)))
            if not found:
                return _decode_links(links) or []
            images.append(found[0])
        at = links.find(_IMAGE_PATH, at + 1)
    return _decode_links(b"[%b]" % b",".join(images)) or [] if images else []


def _without_links(body: bytes) -> tuple[bytes, bytes] | None:
    """Cut the array of links out of a record; None if it does not stand there as Common Crawl writes it."""
    start = body.find(_LINKS_KEY) + len(_LINKS_KEY) - 1
    end = body.find(_LINKS_END, start) + len(_LINKS_END)
    if start < len(_LINKS_KEY) or end < len(_LINKS_END) or body[end - len(_LINKS_END) - 1] == _BACKSLASH:
        return None
    rest = body[:start] + b"[]" + body[end:]
    return (rest, body[start:end]) if rest.count(_LINKS_KEY) == 1 else None


def _read_record(body: bytes) -> tuple[_Wat, bytes]:
    """Read a record but for its array of links, which is given as it is written."""
    if cut := _without_links(body):
        rest, links = cut
        with suppress(msgspec.DecodeError):  # what was cut out was no whole array
            return _decode(rest), links
    record = _decode(body)
    page = record.envelope.payload.response and record.envelope.payload.response.page
    return record, bytes(page.links) if page else b""


class WatPage:
    """A page as a WAT record describes it."""

    def __init__(self, body: bytes) -> None:
        """Read it.

        Raises:
            msgspec.DecodeError: it is no JSON, not of a WAT's shape, or holds wrong bytes in strings.
        """
        record, links = _read_record(body)
        self._response = record.envelope.payload.response or _Response()
        self._page = self._response.page or _Page()
        self._images = _image_links(links)
        has_license = may_name_license(links) and (
            _LICENSE_HOST_SIGN in links or _LICENSE_RELATION.search(links)
        )
        self._links = _decode_links(links) or [] if has_license else []

    @property
    def status(self) -> int:
        """HTTP status; 200 where none is given.

        Raises:
            ValueError: it is no number.
        """
        message = self._response.message
        return int(message.status) if message is not None and message.status is not None else 200

    def headers(self) -> list[tuple[str, str]]:
        """List the HTTP headers, with repeats."""
        return [
            (name, _text(value))
            for name, values in (self._response.headers or {}).items()
            for value in (values if isinstance(values, list) else [values])
        ]

    def facts(self, agent: str) -> PageFacts:
        """Read base address, licence and opt-out."""
        head = self._page.head or _Head()
        metas = ((_text(meta.name), _text(meta.content)) for meta in head.metas or ())
        return PageFacts(_text(head.base) or None, opt_out_of(metas, agent), self._license(head))

    def _license(self, head: _Head) -> str | None:
        links = [*(head.links or ()), *self._links]
        for link in links:
            if link.rel and "license" in _text(link.rel).lower().split() and link.url:
                return _text(link.url)
        return next((url for link in links if _LICENSE_HOST in (url := _text(link.url))), None)

    def pairs(self) -> Iterator[Pair]:
        """List the pairs: images among the links, then Open Graph's."""
        for link in self._images:
            if link.path in _IMAGE_PATHS:
                src = _text(link.url)
            elif link.path in _SRCSET_PATHS:
                src = largest([_text(link.url)]) or ""
            else:
                continue
            yield Pair(src, _text(link.alt), TextSource.ALT)
            if link.title:
                yield Pair(src, _text(link.title), TextSource.TITLE)
        metas = self._page.head.metas if self._page.head else None
        yield from open_graph((_text(m.property) or _text(m.name), _text(m.content)) for m in metas or ())


def is_page(body: bytes) -> bool:
    """Tell whether a WAT record describes a page at all, by a look at its bytes."""
    return _PAGE_SIGN in body


def read_wat(body: bytes) -> WatPage | None:
    """Read a WAT record; None if it describes no page, or a page without an image.

    Raises:
        ValueError: it is no JSON, or not of a WAT's shape.
    """
    is_whole = _WHOLE_SIGN in body and body[-_CHECKED:].rstrip().endswith(b"}")
    if is_whole and not (is_page(body) and (_IMAGE_SIGN in body or _OPEN_GRAPH_SIGN in body)):
        return None
    try:
        return WatPage(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return WatPage(_mended(body))


def _mended(body: bytes) -> bytes:
    """Write JSON anew that the strict decoder refuses: wrong bytes in strings, halves of surrogate pairs.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        content = json.loads(body.decode("utf-8", "replace"), strict=False)
    except RecursionError as error:
        raise ValueError(f"the record is nested too deep ({error})") from None
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")


def _text(value: Any) -> str:
    """Give a string as it is, a number written out, and anything else as nothing."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""
