"""Stream the pages of a MediaWiki export (pages-articles XML) in constant memory.

Every page is cut out by its tags and parsed by itself, so a damaged page costs no
other one, and no declaration outside a page (an entity bomb) is ever read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from vocab.streams import Slice, read_slice
from wit_builder.errors import UserError
from wit_builder.records import DropReason

_BEGIN, _END = b"<page>", b"</page>"
_ROOT = b"<mediawiki"
_END_OF_EXPORT = b"</mediawiki>"
_HEAD = 1 << 12
_TAIL = 1 << 8
_LONGEST = 1 << 24
"""Bytes of the longest page taken; MediaWiki itself accepts 2 MB of text."""

WHOLE = Slice(0, None)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a dump, at its last revision in the file."""

    title: str
    namespace: int
    """0 for articles; 1 talk, 6 file, 10 template, 14 category …"""
    redirect: str | None
    """Title of the page that this one only points to."""
    text: str
    """Wikitext."""


def skip_reason(page: Page) -> DropReason | None:
    """Say why a page is not an article; None if it is one."""
    if page.namespace != 0:
        return DropReason.OTHER_NAMESPACE
    if page.redirect is not None:
        return DropReason.REDIRECT
    if not page.text.strip():
        return DropReason.EMPTY
    return None


def read_pages(path: str, part: Slice = WHOLE) -> Iterator[Page | DropReason]:
    """Stream the pages that begin in a slice of an export, redirects and other namespaces included.

    Args:
        path: pages-articles XML: plain, gzip, Zstandard, or bzip2 of one or many
            streams. What it is is told from its first bytes, not its name.
        part: of `streams.list_slices`; each page is in exactly one slice.

    Yields:
        Pages, and in place of what cannot be read DAMAGED_PAGE, or DAMAGED_STREAM for
        an unknown number of pages.

    Raises:
        UserError: the file is missing or no MediaWiki export.
    """
    rest = tail = b""
    head = b"" if part.start == 0 else _ROOT
    for chunk in read_slice(path, part):
        data = rest + chunk.data
        if not chunk.own and not (rest and _BEGIN.startswith(data[: len(_BEGIN)])):
            return
        if chunk.damaged:
            yield DropReason.DAMAGED_STREAM if chunk.own else DropReason.DAMAGED_PAGE
            rest, tail, head = b"", _END_OF_EXPORT, _ROOT  # one reason is enough
            continue
        if _ROOT not in head:
            head += chunk.data[:_HEAD]
            _require_export(path, head)
        tail = (tail + chunk.data)[-_TAIL:]
        pages, rest = _cut_pages(data)
        yield from map(_parse, pages if chunk.own else pages[:1])
        if pages and not chunk.own:
            return
        if len(rest) > _LONGEST:
            yield DropReason.DAMAGED_PAGE
            rest = b""
    if rest.startswith(_BEGIN):
        yield DropReason.DAMAGED_PAGE
    elif (tail and not _ends_export(tail)) or (part.start == 0 and not tail):
        yield DropReason.DAMAGED_STREAM


def _require_export(path: str, head: bytes) -> None:
    if _ROOT not in head and len(head) >= len(_ROOT):
        begin = head[:40].decode("utf-8", "replace")
        raise UserError(
            f"{path} is no MediaWiki export: it begins with {begin!r}; name a pages-articles XML dump"
        )


def _ends_export(tail: bytes) -> bool:
    # a slice can begin inside the closing tag
    return _END_OF_EXPORT in tail or _END_OF_EXPORT.endswith(tail.rstrip())


def _cut_pages(data: bytes) -> tuple[list[bytes], bytes]:
    """Cut the whole pages out of some XML.

    Returns:
        The pages, an unclosed one too if another begins behind it, and what may
        begin a page that the next bytes complete.
    """
    pages: list[bytes] = []
    at = 0
    while (begin := data.find(_BEGIN, at)) >= 0:
        end = data.find(_END, begin)
        at = data.find(_BEGIN, begin + 1, end if end >= 0 else None)
        if at < 0:
            if end < 0:
                return pages, data[begin:]
            at = end + len(_END)
        pages.append(data[begin:at])
    return pages, _beginning(data[at:])


def _beginning(data: bytes) -> bytes:
    """Give the end of some bytes that can be the begin of a page's tag."""
    lengths = range(min(len(_BEGIN) - 1, len(data)), 0, -1)
    return next((data[-length:] for length in lengths if _BEGIN.startswith(data[-length:])), b"")


def _parse(xml: bytes) -> Page | DropReason:
    try:
        page = ElementTree.fromstring(xml)
        namespace = int(page.findtext("ns") or 0)
    except (ElementTree.ParseError, ValueError):
        return DropReason.DAMAGED_PAGE
    redirect = page.find("redirect")
    texts = page.findall("revision/text")
    return Page(
        title=page.findtext("title") or "",
        namespace=namespace,
        redirect=None if redirect is None else redirect.get("title", ""),
        text=(texts[-1].text or "") if texts else "",
    )
