"""Stream the pages of a MediaWiki export (pages-articles XML) in constant memory.

The parser is expat, fed chunk by chunk, with entity declarations refused: an
export declares none, so a file that does is not one, and no expansion bomb runs.
"""

import bz2
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import IO
from xml.parsers import expat

from wit_builder import storage
from wit_builder.errors import UserError

_CHUNK = 1 << 18  # bytes of XML: a few pages
_BZ2_MAGIC = b"BZh"
_GZIP_MAGIC = b"\x1f\x8b"
_REMEDY = "download it again and check its SHA-1 against the dump's list"

_KEPT_TEXT = {("page", "title"), ("page", "ns"), ("revision", "text")}


class SkipReason(StrEnum):
    """Why a page of the dump is not an article to count."""

    OTHER_NAMESPACE = "other_namespace"
    REDIRECT = "redirect"
    EMPTY = "empty"


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


def skip_reason(page: Page) -> SkipReason | None:
    """Say why a page is not an article; None if it is one."""
    if page.namespace != 0:
        return SkipReason.OTHER_NAMESPACE
    if page.redirect is not None:
        return SkipReason.REDIRECT
    if not page.text.strip():
        return SkipReason.EMPTY
    return None


def read_pages(path: str) -> Iterator[Page]:
    """Stream every page of an export, redirects and other namespaces included.

    Args:
        path: pages-articles XML: plain, gzip, or bzip2 of one or many streams.
            What it is is told from its first bytes, not its name.

    Raises:
        UserError: the file is missing, cut short, damaged, or no MediaWiki export.
    """
    parser = _PageParser()
    pages = 0
    try:
        with storage.open_read(path) as raw:
            for chunk in _chunks(raw):
                for page in parser.feed(chunk):
                    pages += 1
                    yield page
        parser.close()
    except EOFError:
        raise UserError(f"{path} is cut short {_after(pages)}; {_REMEDY}") from None
    except _NotAnExportError as error:
        raise UserError(f"{path} is no MediaWiki export: {error}; name a pages-articles XML dump") from None
    except (expat.ExpatError, zlib.error, OSError) as error:
        raise UserError(f"{path} is damaged {_after(pages)}: {error}; {_REMEDY}") from None


def _after(pages: int) -> str:
    return f"after page {pages:,}" if pages else "before its first page"


def _chunks(raw: IO[bytes]) -> Iterator[bytes]:
    magic = raw.read(3)
    raw.seek(0)
    read = raw.read
    # read1 gives what is there before it meets damage; read would lose it
    if magic.startswith(_BZ2_MAGIC):
        read = bz2.BZ2File(raw).read1
    elif magic.startswith(_GZIP_MAGIC):
        read = gzip.GzipFile(fileobj=raw).read1
    while chunk := read(_CHUNK):
        yield chunk


class _NotAnExportError(Exception):
    """Well-formed so far, but not what MediaWiki writes."""


class _PageParser:
    """Turns chunks of XML into the pages that end in them."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._fields: dict[str, str] = {}
        self._redirect: str | None = None
        self._text: list[str] | None = None
        self._done: list[Page] = []
        self._expat = expat.ParserCreate()
        self._expat.buffer_text = True
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._characters
        self._expat.EntityDeclHandler = self._entity

    def feed(self, chunk: bytes) -> list[Page]:
        self._expat.Parse(chunk, False)
        done, self._done = self._done, []
        return done

    def close(self) -> None:
        """Raise EOFError if the last element is not closed."""
        if self._open:
            raise EOFError
        self._expat.Parse(b"", True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._open and name != "mediawiki":
            raise _NotAnExportError(f"its root element is <{name}>")
        if name == "page":
            self._fields, self._redirect = {}, None
        elif name == "redirect":
            self._redirect = attributes.get("title", "")
        elif self._open and (self._open[-1], name) in _KEPT_TEXT:
            self._text = []
        self._open.append(name)

    def _characters(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def _end(self, name: str) -> None:
        self._open.pop()
        if self._text is not None:
            self._fields[name], self._text = "".join(self._text), None
        elif name == "page":
            self._done.append(self._page())

    def _page(self) -> Page:
        namespace = self._fields.get("ns", "0")
        if not namespace.lstrip("-").isdecimal():
            raise _NotAnExportError(f"a page has the namespace {namespace!r}")
        return Page(
            title=self._fields.get("title", ""),
            namespace=int(namespace),
            redirect=self._redirect,
            text=self._fields.get("text", ""),
        )

    def _entity(self, name: str, *_: object) -> None:
        raise _NotAnExportError(f"it declares the entity {name!r}")
