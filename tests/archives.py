"""Small WARC and WAT files for tests, written by warcio."""

import json
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

HTML = (("Content-Type", "text/html; charset=utf-8"),)


def write_warc(
    path: Path,
    pages: Iterable[tuple[str, str]],
    headers: Iterable[tuple[str, str]] = HTML,
    gzip: bool = True,
    status: str = "200 OK",
) -> Path:
    """Write one response record per (url, html)."""
    with path.open("wb") as handle:
        writer = WARCWriter(handle, gzip=gzip)
        for url, body in pages:
            http = StatusAndHeaders(status, list(headers), protocol="HTTP/1.1")
            writer.write_record(
                writer.create_warc_record(url, "response", payload=BytesIO(body.encode()), http_headers=http)
            )
    return path


def write_wat(
    path: Path, pages: Iterable[tuple[str, object]], response: Mapping[str, object] | None = None
) -> Path:
    """Write one metadata record per (url, HTML-Metadata)."""
    with path.open("wb") as handle:
        writer = WARCWriter(handle, gzip=True)
        for url, page in pages:
            described = {**(response or {}), "HTML-Metadata": page}
            envelope = {"Envelope": {"Payload-Metadata": {"HTTP-Response-Metadata": described}}}
            body = page if isinstance(page, bytes) else json.dumps(envelope).encode()
            writer.write_record(
                writer.create_warc_record(
                    url, "metadata", payload=BytesIO(body), warc_content_type="application/json"
                )
            )
    return path
