"""Write WARC 1.1 files that can be cut back to a known length and continued.

One gzip member a record (warcio). A file is `crawl-00000.warc.gz.open` until it is
finished; only then does it get its name.
"""

import os
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter
from yarl import URL

from wit_builder.web import FetchError, HttpResponse

# The body is stored decoded, so these no longer hold: kept under another name, as Common Crawl does.
_ABOUT_TRANSFER = frozenset({"content-encoding", "content-length", "transfer-encoding"})


def warc_name(number: int) -> str:
    """Name a finished WARC file."""
    return f"crawl-{number:05d}.warc.gz"


class WarcFile:
    """One WARC file that is being written.

    Args:
        folder: where it lies.
        number: 0, 1, …
        length: bytes that hold committed records; what follows is cut off.
        info: fields of the warcinfo record, written where the file begins.
    """

    def __init__(self, folder: Path, number: int, length: int, info: Mapping[str, str]) -> None:
        self.number = number
        self._final = folder / warc_name(number)
        self._open = folder / f"{warc_name(number)}.open"
        self._file = self._open.open("r+b" if self._open.exists() else "w+b")
        self._file.truncate(length)
        self._file.seek(length)
        self._writer = WARCWriter(self._file, gzip=True, warc_version="WARC/1.1")
        if length == 0:
            self._writer.write_record(self._writer.create_warcinfo_record(self._final.name, dict(info)))

    def write(self, response: HttpResponse) -> None:
        """Append the response and request records of one answer."""
        headers = [
            (f"X-Crawl-{name}" if name.lower() in _ABOUT_TRANSFER else name, value)
            for name, value in response.headers
        ]
        headers.append(("Content-Length", str(len(response.body))))
        cut = {"WARC-Truncated": "length"} if response.error is FetchError.TOO_LARGE else {}
        answer = self._writer.create_warc_record(
            response.final_url,
            "response",
            payload=BytesIO(response.body),
            length=len(response.body),
            warc_headers_dict=cut,
            http_headers=StatusAndHeaders(
                f"{response.status} {response.reason}".strip(), headers, protocol="HTTP/1.1"
            ),
        )
        target = URL(response.final_url).raw_path_qs
        question = self._writer.create_warc_record(
            response.final_url,
            "request",
            http_headers=StatusAndHeaders(
                f"GET {target} HTTP/1.1", list(response.request_headers), is_http_request=True
            ),
        )
        self._writer.write_request_response_pair(question, answer)

    def sync(self) -> int:
        """Make what was written durable; gives the length in bytes."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Close the file without giving it its name."""
        self._file.close()


def finish(folder: Path, number: int) -> None:
    """Give a complete WARC file its name, if it does not have it yet."""
    unfinished = folder / f"{warc_name(number)}.open"
    if unfinished.exists():
        unfinished.rename(folder / warc_name(number))
