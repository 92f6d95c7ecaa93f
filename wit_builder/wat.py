"""What a WAT record says of a page: Common Crawl's JSON of links and head elements."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from wit_builder.html import PageFacts, Pair, open_graph, opt_out_of
from wit_builder.records import TextSource
from wit_builder.srcset import largest

_IMAGE_PATHS = frozenset(
    f"IMG@/{name}" for name in ("src", "data-src", "data-original", "data-lazy-src", "data-lazy")
)
_SRCSET_PATHS = frozenset(f"IMG@/{name}" for name in ("srcset", "data-srcset", "data-lazy-srcset"))
_WHOLE_SIGN = b'"Envelope"'
_PAGE_SIGN = b'"HTML-Metadata"'
_PAIR_SIGNS = (b'"IMG@', b"og:image", b"\\u")
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
    links: list[_Link] | None = msgspec.field(name="Links", default=None)


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


class WatPage:
    """A page as a WAT record describes it."""

    def __init__(self, response: _Response, page: _Page) -> None:
        self._response = response
        self._page = page

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
        links = [*(head.links or ()), *(self._page.links or ())]
        for link in links:
            if link.rel is not None and "license" in _text(link.rel).lower().split() and _text(link.url):
                return _text(link.url)
        hosted = (_text(link.url) for link in links if link.path == "A@/href")
        return next((url for url in hosted if _LICENSE_HOST in url), None)

    def pairs(self) -> Iterator[Pair]:
        """List the pairs: images among the links, then Open Graph's."""
        for link in self._page.links or ():
            path = link.path
            if path in _IMAGE_PATHS:
                src: str | None = _text(link.url)
            elif path in _SRCSET_PATHS:
                src = largest([_text(link.url)])
            else:
                continue
            yield Pair(src or "", _text(link.alt), TextSource.ALT)
            if link.title:
                yield Pair(src or "", _text(link.title), TextSource.TITLE)
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
    is_whole = _WHOLE_SIGN in body and body.rstrip().endswith(b"}")
    if is_whole and (_PAGE_SIGN not in body or not any(sign in body for sign in _PAIR_SIGNS)):
        return None
    try:
        found = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = _convert(body)
    response = found.envelope.payload.response
    return WatPage(response, response.page) if response is not None and response.page is not None else None


def _convert(body: bytes) -> _Wat:
    """Read what the strict decoder refuses: wrong bytes in strings, halves of surrogate pairs."""
    try:
        lenient = json.loads(body.decode("utf-8", "replace"), strict=False)
        return msgspec.convert(lenient, _Wat)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ValueError(f"the record is not of a WAT's shape ({error})") from None


def _text(value: Any) -> str:
    """Give a string as it is, a number written out, and anything else as nothing."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""
