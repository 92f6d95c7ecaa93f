"""Candidates: (image URL, text) pairs out of WARC and WAT archives.

One bad record costs that record, is counted, and nothing else is lost.
"""

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple
from datetime import datetime
from typing import IO, Any, NamedTuple

import pyarrow as pa
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from wit_builder import html, schemas, storage
from wit_builder.errors import UserError
from wit_builder.hashing import uid_of
from wit_builder.records import Candidate, DropReason
from wit_builder.rights import refusal_in_headers

ROWS_PER_BATCH = 1_000
MIN_PIXELS = 16
"""An image declared smaller than this on either side is an icon or a tracking pixel."""

REJECT_SCHEMA = schemas.CANDIDATE.append(pa.field("drop_reason", pa.string()))

_CHUNK = 1 << 16
_HTML_TYPES = ("text/html", "application/xhtml+xml")
_RECORD_TYPES = WarcRecordType.response | WarcRecordType.metadata
_GZIP_MAGIC = b"\x1f\x8b"
_WARC_MAGIC = b"WARC/"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

Count = Callable[[str], None]


class Page(NamedTuple):
    """One page of an archive and its pairs."""

    url: str
    offset: int
    captured_at: datetime | None
    facts: html.PageFacts
    pairs: Sequence[html.Pair]


def read_candidates(
    path: str, agent: str, count: Count, start: int = 0, end: int | None = None
) -> Iterator[pa.RecordBatch]:
    """Stream the candidates of one archive, or of a slice of it.

    Args:
        path: WARC or WAT, plain, gzip (a member a record) or zstd.
        agent: product token of our user agent, for rules that name it.
        count: called with "pages", "bad_records" and the like.
        start: first byte of the slice; see `archives.slices_of`.
        end: byte that the slice ends before; None reads to the end.

    Yields:
        Batches of at most 1,000 rows in `REJECT_SCHEMA`: a candidate and the reason why
        its structure alone rules it out, null if it stays.

    Raises:
        UserError: the file is missing or is no WARC.
    """
    rows: list[tuple[object, ...]] = []
    archive = storage.basename(path)
    for page in read_pages(path, agent, count, start, end):
        count("pages")
        for row in _judged(page, archive):
            rows.append(row)
            if len(rows) == ROWS_PER_BATCH:
                yield _batch(rows)
                rows = []
    if rows:
        yield _batch(rows)


def _batch(rows: Sequence[tuple[object, ...]]) -> pa.RecordBatch:
    columns = [
        pa.array(column, field.type)
        for column, field in zip(zip(*rows, strict=True), REJECT_SCHEMA, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=REJECT_SCHEMA)


def _judged(page: Page, archive: str) -> Iterator[tuple[object, ...]]:
    """Give the page's candidates, each with its reason to drop."""
    seen: set[str] = set()
    for pair in page.pairs:
        text = _encodable(" ".join(pair.text.split()))
        url = html.resolve(page.facts.base, pair.src)
        reason = _basic_reason(pair, url, text)
        address = _encodable(url or pair.src)
        uid = uid_of(address, text)
        if reason is None and uid in seen:
            reason = DropReason.DUPLICATE_PAIR
        elif reason is None:
            seen.add(uid)
        candidate = Candidate(
            uid=uid,
            url=address,
            text=text,
            text_source=pair.source,
            page_url=page.url,
            archive=archive,
            archive_offset=page.offset,
            captured_at=page.captured_at,
            page_license=page.facts.license,
            opt_out=page.facts.opt_out,
        )
        yield (*astuple(candidate), reason)


def _encodable(text: str) -> str:
    """Replace lone surrogates, which no file can hold."""
    return text.encode("utf-8", "replace").decode()


def _basic_reason(pair: html.Pair, url: str | None, text: str) -> DropReason | None:
    if not text:
        return DropReason.NO_TEXT
    if url is None or not pair.src.strip():
        return DropReason.BAD_URL
    if not url.startswith(("http://", "https://")):
        return DropReason.UNSUPPORTED_SCHEME
    if any(side is not None and side < MIN_PIXELS for side in (pair.width, pair.height)):
        return DropReason.TINY_IMAGE
    return None


def read_pages(path: str, agent: str, count: Count, start: int = 0, end: int | None = None) -> Iterator[Page]:
    """Stream the HTML pages of a WARC, or those that a WAT describes.

    What follows a place that cannot be read as WARC is counted as "unreadable_rest".

    Raises:
        UserError: the file is missing or is no WARC.
    """
    records, last = 0, 0
    with storage.open_read(path) as handle:
        head = handle.read(5)
        if not head.startswith((_GZIP_MAGIC, _ZSTD_MAGIC)) and head != _WARC_MAGIC:
            raise UserError(f"{path} is no WARC or WAT file (it begins with {head!r}); check the input")
        handle.seek(start)
        stream = _Stream(handle)
        try:
            for record in ArchiveIterator(stream, record_types=_RECORD_TYPES, parse_http=True):
                if end is not None and record.stream_pos >= end:
                    return
                records, last = records + 1, record.stream_pos
                page = _page(record, agent, count)
                if page is not None:
                    yield page
        except OSError as error:
            if stream.fault is not None:
                raise stream.fault from None
            if not records:
                raise UserError(f"{path} is no WARC or WAT file ({error}); check the input") from None
            count("unreadable_rest")
        else:
            if head.startswith(_GZIP_MAGIC) and _is_cut(handle, last):
                count("truncated_records")


class _Stream:
    """Passes reads on and remembers a fault of reading, which is not one of the archive."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self.fault: OSError | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            return self._handle.read(size)
        except OSError as error:
            self.fault = error
            raise

    def tell(self) -> int:
        return self._handle.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._handle.seek(offset, whence)

    def close(self) -> None:
        self._handle.close()


def _is_cut(stream: IO[bytes], offset: int) -> bool:
    """Tell whether the gzip member at the end of a file is incomplete; FastWARC passes it over."""
    stream.seek(offset)
    pending, complete = b"", True
    while chunk := pending or stream.read(_CHUNK):
        if complete:
            member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        member.decompress(chunk)
        pending, complete = member.unused_data, member.eof
    return not complete


def _page(record: WarcRecord, agent: str, count: Count) -> Page | None:
    url = record.headers.get("WARC-Target-URI")
    if not url:
        return None
    count("records")
    expected = record.content_length
    if record.record_type == WarcRecordType.metadata:
        if not (record.headers.get("Content-Type") or "").startswith("application/json"):
            return None
        reader: Callable[..., Page | None] = _page_from_wat
    else:
        if not record.is_http or record.http_content_type not in _HTML_TYPES:
            return None
        if not _is_success(record.http_headers.status_code):
            count("error_pages")
            return None
        reader = _page_from_html
    body = record.reader.read()
    if len(body) < expected:
        count("truncated_records")
        return None
    try:
        return reader(record, url, body, agent)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # A record that is not shaped as its type promises; the next one may be.
        count("bad_records")
        return None


def _is_success(status: int | None) -> bool:
    return status is None or 200 <= status < 300


def _page_from_html(record: WarcRecord, url: str, body: bytes, agent: str) -> Page:
    tree = html.parse(html.decode(body, record.http_charset))
    facts = html.page_facts(tree, url, agent)
    facts = _with_headers(facts, list(record.http_headers.astuples()), agent)
    return Page(url, record.stream_pos, record.record_date, facts, list(html.pairs_from_html(tree)))


def _page_from_wat(record: WarcRecord, url: str, body: bytes, agent: str) -> Page | None:
    payload: dict[str, Any] = json.loads(body)["Envelope"]["Payload-Metadata"]
    response = payload.get("HTTP-Response-Metadata", {})
    page = response.get("HTML-Metadata")
    if page is None or not _is_success(int(response.get("Response-Message", {}).get("Status", 200))):
        return None
    facts = html.wat_facts(page.get("Head") or {}, url, agent)
    headers = [
        (name, value)
        for name, values in (response.get("Headers") or {}).items()
        for value in (values if isinstance(values, list) else [values])
    ]
    facts = _with_headers(facts, headers, agent)
    pairs = list(html.pairs_from_wat(page.get("Links") or []))
    return Page(url, record.stream_pos, record.record_date, facts, pairs)


def _with_headers(facts: html.PageFacts, headers: Sequence[tuple[str, str]], agent: str) -> html.PageFacts:
    """Let the page's HTTP headers refuse what its meta tags do not."""
    return facts._replace(opt_out=facts.opt_out or refusal_in_headers(headers, agent))
