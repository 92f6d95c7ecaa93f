"""Write WARC 1.1 files that can be cut back to a known length and continued.

A gzip member a record. A file is `crawl-00-00000.warc.gz.open` until it is finished;
only then does it get its name. Records are made as Common Crawl makes them: response,
request and metadata; a page that is what an earlier crawl has is a revisit record.
"""

import base64
import hashlib
import os
import zlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from warcio.archiveiterator import ArchiveIterator
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter
from yarl import URL

from wit_builder.visits import Capture
from wit_builder.web import FetchError, HttpResponse

# The body is stored decoded, so these no longer hold: kept under another name, as Common Crawl does.
_ABOUT_TRANSFER = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_GZIP_LEVEL = 6
NOT_MODIFIED = 304
_PROFILES = "http://netpreserve.org/warc/1.1/revisit/"
_TRUNCATED = {
    FetchError.TOO_LARGE: "length",
    FetchError.TIMEOUT: "time",
    FetchError.CONNECTION_RESET: "disconnect",
    FetchError.INCOMPLETE_BODY: "disconnect",
}
"""Why a body is not whole, in the words of WARC-Truncated."""

Fields = Iterable[tuple[str, str]]


def warc_name(shard: int, number: int) -> str:
    """Name a finished WARC file."""
    return f"crawl-{shard:02d}-{number:05d}.warc.gz"


def is_writable(response: HttpResponse) -> bool:
    """Tell whether an answer makes a record: it came whole, or a part of its body did."""
    if response.status is None:
        return False
    whole = response.error in (None, FetchError.HTTP_STATUS, FetchError.TOO_LARGE)
    return whole or (response.error in _TRUNCATED and bool(response.body))


def payload_digest(body: bytes) -> str:
    """Name a body: "sha1:" and the SHA-1 in Base32, as in WARC-Payload-Digest."""
    return f"sha1:{base64.b32encode(hashlib.sha1(body).digest()).decode()}"


class WarcFile:
    """One WARC file that is being written.

    Args:
        folder: where it lies.
        shard: of the crawl.
        number: 0, 1, … within the shard.
        length: bytes that hold committed records; what follows is cut off.
        info: fields of the warcinfo record, written where the file begins.
    """

    def __init__(self, folder: Path, shard: int, number: int, length: int, info: Mapping[str, str]) -> None:
        self.number = number
        self.name = warc_name(shard, number)
        self._final = folder / self.name
        self._open = folder / f"{self.name}.open"
        self._file = self._open.open("r+b" if self._open.exists() else "w+b")
        self._file.truncate(length)
        self._file.seek(length)
        self._buffer = BytesIO()
        self._writer = WARCWriter(self._buffer, gzip=False, warc_version="WARC/1.1")
        if length == 0:
            self._append(self._writer.create_warcinfo_record(self.name, dict(info)))

    def write(self, response: HttpResponse, metadata: Fields = (), earlier: Capture | None = None) -> Capture:
        """Append the records of one answer: response or revisit, request, metadata.

        Args:
            response: what came.
            metadata: fields of the metadata record, besides the time the answer took.
            earlier: where the same body lies already.

        Returns:
            Where the first record lies.
        """
        offset = self._file.tell()
        record = self._answer(response, earlier)
        self._append(record)
        name = record.rec_headers.get_header
        about = {"WARC-Date": name("WARC-Date"), "WARC-Concurrent-To": name("WARC-Record-ID")}
        target = URL(response.final_url).raw_path_qs
        sent = StatusAndHeaders(
            f"GET {target} HTTP/1.1", list(response.request_headers), is_http_request=True
        )
        self._append(self._record(response, "request", about, http_headers=sent))
        told = [("fetchTimeMs", f"{response.seconds * 1000:.0f}"), *metadata]
        fields = "".join(f"{field}: {value}\r\n" for field, value in told).encode()
        self._append(self._record(response, "metadata", about, payload=BytesIO(fields), length=len(fields)))
        self._file.flush()
        return Capture(
            archive=self.name,
            offset=offset,
            record_id=name("WARC-Record-ID"),
            date=name("WARC-Date"),
            digest=name("WARC-Payload-Digest"),
            etag=response.header("ETag"),
            modified=response.header("Last-Modified"),
        )

    def _answer(self, response: HttpResponse, earlier: Capture | None) -> Any:
        headers = [
            (f"X-Crawl-{name}" if name.lower() in _ABOUT_TRANSFER else name, value)
            for name, value in response.headers
        ]
        about = {
            "WARC-Date": _warc_date(response.asked_at or datetime.now(UTC)),
            "WARC-Payload-Digest": earlier.digest if earlier else payload_digest(response.body),
        }
        if response.ip:
            about["WARC-IP-Address"] = response.ip
        if response.error in _TRUNCATED:
            about["WARC-Truncated"] = _TRUNCATED[response.error]
        if earlier:
            unasked = "server-not-modified" if response.status == NOT_MODIFIED else "identical-payload-digest"
            about |= {
                "WARC-Profile": _PROFILES + unasked,
                "WARC-Refers-To": earlier.record_id,
                "WARC-Refers-To-Target-URI": response.final_url,
                "WARC-Refers-To-Date": earlier.date,
            }
        else:
            headers.append(("Content-Length", str(len(response.body))))
        return self._record(
            response,
            "revisit" if earlier else "response",
            about,
            payload=None if earlier else BytesIO(response.body),
            length=0 if earlier else len(response.body),
            http_headers=StatusAndHeaders(
                f"{response.status} {response.reason}".strip(), headers, protocol="HTTP/1.1"
            ),
        )

    def _record(self, response: HttpResponse, kind: str, about: Mapping[str, str], **content: Any) -> Any:
        return self._writer.create_warc_record(
            response.final_url, kind, warc_headers_dict=dict(about), **content
        )

    def _append(self, record: Any) -> None:
        self._buffer.seek(0)
        self._buffer.truncate()
        self._writer.write_record(record)
        member = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
        self._file.write(member.compress(self._buffer.getbuffer()) + member.flush())

    @property
    def length(self) -> int:
        """Bytes so far."""
        return self._file.tell()

    def sync(self) -> None:
        """Make what was written outlive a loss of power."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file without giving it its name."""
        self._file.close()


def _warc_date(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def open_size(folder: Path, shard: int, number: int) -> int:
    """Give the bytes of a WARC file that is not finished; 0 if it is not there."""
    path = folder / f"{warc_name(shard, number)}.open"
    return path.stat().st_size if path.exists() else 0


def finish(folder: Path, shard: int, number: int, length: int) -> None:
    """Give a complete WARC file its name, if it does not have it yet.

    Args:
        folder: where it lies.
        shard: of the crawl.
        number: of the file.
        length: bytes that hold committed records; what follows is cut off.
    """
    unfinished = folder / f"{warc_name(shard, number)}.open"
    if unfinished.exists():
        os.truncate(unfinished, length)
        unfinished.rename(folder / warc_name(shard, number))


def read_response(path: Path, offset: int) -> HttpResponse:
    """Read one response record.

    Raises:
        ValueError: there is none at this place.
    """
    with path.open("rb") as file:
        file.seek(offset)
        record = next(iter(ArchiveIterator(file)), None)
        if record is None or record.rec_type != "response":
            raise ValueError(f"no response record at byte {offset} of {path}")
        return HttpResponse(
            url=record.rec_headers.get_header("WARC-Target-URI"),
            final_url=record.rec_headers.get_header("WARC-Target-URI"),
            status=int(record.http_headers.get_statuscode()),
            headers=tuple(record.http_headers.headers),
            body=record.content_stream().read(),
        )
