"""Candidates: (image URL, text) pairs out of WARC and WAT archives.

One bad record costs that record, is counted, and nothing else is lost.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from wit_builder import schemas, storage
from wit_builder.archives import Record, read_records
from wit_builder.charsets import keeps_ascii, to_utf8
from wit_builder.hashing import uid_of
from wit_builder.html import ALL_SOURCES, IMAGE_SOURCES, OversizedPageError, PageFacts, Pair, read_page
from wit_builder.records import DropReason, TextSource
from wit_builder.responses import read_response, unpacked
from wit_builder.rights import refusal_in_headers
from wit_builder.tagscan import may_have_pairs
from wit_builder.urls import Base, encodable
from wit_builder.wat import is_page, read_wat

ROWS_PER_BATCH = 1_000
MIN_PIXELS = 16
"""An image declared smaller than this on either side is an icon or a tracking pixel."""

REJECT_SCHEMA = schemas.CANDIDATE.append(pa.field("drop_reason", pa.string()))

_PAIR_COLUMNS = ("uid", "url", "text", "text_source", "drop_reason")
_PAGE_COLUMNS = ("page_url", "archive_offset", "captured_at", "page_license", "opt_out")
_MOST_SEEN = 100_000
"""Pairs of one page that are remembered; a later stage finds the repeats that this one forgot."""
_MOST_NAMED = 10_000
"""Pairs of one page that are resolved and named once, however often they stand there."""
_RECORD_KINDS = frozenset((b"response", b"metadata"))
_HTML_TYPES = ("text/html", "application/xhtml+xml")

Count = Callable[[str], None]


class Page(NamedTuple):
    """One page of an archive and its pairs."""

    url: str
    offset: int
    captured_at: datetime | None
    facts: PageFacts
    pairs: Iterable[Pair]


def read_candidates(
    path: str,
    agent: str,
    count: Count,
    start: int = 0,
    end: int | None = None,
    *,
    sources: frozenset[TextSource] = ALL_SOURCES,
) -> Iterator[pa.RecordBatch]:
    """Stream the candidates of one archive, or of a slice of it.

    Args:
        path: WARC or WAT, plain, gzip (a member a record) or zstd.
        agent: product token of our user agent, for rules that name it.
        count: called with "pages", "bad_records" and the like.
        start: first byte of the slice; see `archives.slices_of`.
        end: byte that the slice ends before; None reads to the end.
        sources: kinds of texts to look for in HTML.

    Yields:
        Batches of at most 1,000 rows in `REJECT_SCHEMA`: a candidate and the reason why
        its structure alone rules it out, null if it stays.

    Raises:
        UserError: the file is missing or is no WARC.
    """
    rows = _Rows(storage.basename(path))
    for page in read_pages(path, agent, count, start, end, sources=sources):
        yield from rows.add(page)
    if rows.number:
        yield rows.flush()


def read_pages(
    path: str,
    agent: str,
    count: Count,
    start: int = 0,
    end: int | None = None,
    *,
    sources: frozenset[TextSource] = ALL_SOURCES,
) -> Iterator[Page]:
    """Stream the HTML pages of a WARC, or those that a WAT describes; arguments as for `read_candidates`.

    Raises:
        UserError: the file is missing or is no WARC.
    """
    for record in read_records(path, _RECORD_KINDS, count, start, end):
        url = record.fields.get(b"warc-target-uri", b"").strip(b"<>").decode("utf-8", "replace")
        if not url:
            continue
        count("records")
        try:
            page = _page(record, url, agent, count, sources)
        except OversizedPageError:
            count("oversized_pages")
        except (ValueError, RecursionError):
            # A record that is not shaped as its type promises; the next one may be.
            count("bad_records")
        else:
            if page:
                count("pages")
                yield page


def _page(record: Record, url: str, agent: str, count: Count, sources: frozenset[TextSource]) -> Page | None:
    if record.fields.get(b"content-type", b"").lower().startswith(b"application/json"):
        return _page_from_wat(record, url, agent, count)
    response = read_response(record.body)
    if response is None or response.media_type not in _HTML_TYPES:
        return None
    if not _is_success(response.status):
        count("error_pages")
        return None
    body = unpacked(response)
    if keeps_ascii(body) and not may_have_pairs(body, only_images=sources <= IMAGE_SOURCES):
        count("pages")
        return None
    facts, pairs = read_page(to_utf8(body, response.charset), agent, sources)
    facts = _with_headers(facts, response.headers, agent)
    return Page(url, record.offset, _date(record), facts, pairs)


def _page_from_wat(record: Record, url: str, agent: str, count: Count) -> Page | None:
    page = read_wat(record.body)
    if page is None:
        if is_page(record.body):
            count("pages")
        return None
    if not _is_success(page.status):
        count("error_pages")
        return None
    facts = _with_headers(page.facts(agent), page.headers(), agent)
    return Page(url, record.offset, _date(record), facts, page.pairs())


def _is_success(status: int) -> bool:
    return 200 <= status < 300


def _date(record: Record) -> datetime | None:
    try:
        return datetime.fromisoformat(record.fields.get(b"warc-date", b"").decode())
    except ValueError:
        return None


def _with_headers(facts: PageFacts, headers: Iterable[tuple[str, str]], agent: str) -> PageFacts:
    """Let the page's HTTP headers refuse what its meta tags do not."""
    return facts if facts.opt_out else facts._replace(opt_out=refusal_in_headers(headers, agent))


class _Rows:
    """Rows on their way into a batch, by column; what a page says once stands there once."""

    def __init__(self, archive: str) -> None:
        self._archive = archive
        self._reset()

    def _reset(self) -> None:
        self._pairs: list[tuple[str, str, str, str, str | None]] = []
        self._pages: list[tuple[str, int, datetime | None, str | None, str | None]] = []
        self._rows_of_page: list[int] = []

    @property
    def number(self) -> int:
        """Rows that wait."""
        return len(self._pairs)

    def add(self, page: Page) -> Iterator[pa.RecordBatch]:
        """Add the page's pairs; gives the batches that they fill."""
        pairs = iter(page.pairs)
        first = next(pairs, None)
        if first is None:
            return
        base = Base(page.url, page.facts.base)
        fixed = (
            page.url,
            page.offset,
            page.captured_at,
            page.facts.license and base.resolve(page.facts.license),
            page.facts.opt_out and encodable(page.facts.opt_out),
        )
        seen: set[str] = set()
        named: dict[tuple[str, str], tuple[str, str | None, str]] = {}
        before = len(self._pairs)
        for pair in chain((first,), pairs):
            self._pairs.append(_row(pair, base, named, seen))
            if len(self._pairs) == ROWS_PER_BATCH:
                self._close_page(fixed, before)
                yield self.flush()
                before = 0
        self._close_page(fixed, before)

    def _close_page(self, fixed: tuple[Any, ...], before: int) -> None:
        self._pages.append(fixed)
        self._rows_of_page.append(len(self._pairs) - before)

    def flush(self) -> pa.RecordBatch:
        """Give the rows as a batch and begin anew."""
        number = len(self._pairs)
        page_of_row = pa.array(np.repeat(np.arange(len(self._pages)), self._rows_of_page))
        columns = dict(zip(_PAIR_COLUMNS, zip(*self._pairs, strict=True), strict=True))
        of_pages = dict(zip(_PAGE_COLUMNS, zip(*self._pages, strict=True), strict=True))
        arrays = []
        for field in REJECT_SCHEMA:
            if field.name in columns:
                array = pa.array(columns[field.name], field.type)
            elif field.name in of_pages:
                array = pa.array(of_pages[field.name], field.type).take(page_of_row)
            elif field.name == "archive":
                array = pa.repeat(pa.scalar(self._archive, field.type), number)
            else:
                array = pa.nulls(number, field.type)
            arrays.append(array)
        self._reset()
        return pa.RecordBatch.from_arrays(arrays, schema=REJECT_SCHEMA)


def _row(
    pair: Pair, base: Base, named: dict[tuple[str, str], tuple[str, str | None, str]], seen: set[str]
) -> tuple[str, str, str, str, str | None]:
    """Give a pair's own columns; `named` and `seen` remember what the page had before."""
    key = pair.src, pair.text
    found = named.get(key)
    if found is None:
        found = _name(pair, base)
        if len(named) < _MOST_NAMED:
            named[key] = found
    uid, url, text = found
    reason = _structural_reason(pair, url, text)
    if reason is None:
        if uid in seen:
            reason = DropReason.DUPLICATE_PAIR
        elif len(seen) < _MOST_SEEN:
            seen.add(uid)
    return uid, url or encodable(pair.src), text, pair.source, reason


def _name(pair: Pair, base: Base) -> tuple[str, str | None, str]:
    """Give a pair's uid, its address if it has one, and its text without needless space."""
    text = encodable(" ".join(pair.text.split()))
    url = base.resolve(pair.src)
    return uid_of(url or encodable(pair.src), text), url, text


def _structural_reason(pair: Pair, url: str | None, text: str) -> DropReason | None:
    if not text:
        return DropReason.NO_TEXT
    if url is None or not pair.src.strip():
        return DropReason.BAD_URL
    if not url.startswith(("http://", "https://")):
        return DropReason.UNSUPPORTED_SCHEME
    if (pair.width is not None and pair.width < MIN_PIXELS) or (
        pair.height is not None and pair.height < MIN_PIXELS
    ):
        return DropReason.TINY_IMAGE
    return None
