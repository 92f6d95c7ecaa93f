import gzip
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from fastwarc.warc import ArchiveIterator as FastIterator
from warcio.archiveiterator import ArchiveIterator

from tests.crawling import run, warcs
from tests.servers import pages
from wit_builder.warc import WarcFile, finish, is_writable, payload_digest, read_response
from wit_builder.web import FetchError, HttpResponse

PAGE = HttpResponse(
    "http://h/a",
    "http://h/a",
    status=200,
    reason="OK",
    headers=(("Content-Type", "text/html"), ("Content-Length", "9"), ("ETag", '"1"')),
    body=b"<p>hello",
    request_headers=(("Host", "h"), ("User-Agent", "wit-builder/0.1")),
    ip="192.0.2.1",
    asked_at=datetime(2026, 1, 2, 3, 4, 5, 678, UTC),
    seconds=0.0456,
)


def write(folder: Path, *responses: HttpResponse) -> Path:
    file = WarcFile(folder, 0, 0, 0, {"software": "test"})
    for response in responses:
        file.write(response, [("charset-detected", "utf-8")])
    length = file.length
    file.close()
    finish(folder, 0, 0, length)
    return folder / file.name


def read(path: Path) -> Iterator[tuple[str, dict[str, str], bytes]]:
    with path.open("rb") as handle:
        for record in ArchiveIterator(handle, check_digests="raise"):
            yield record.rec_type, dict(record.rec_headers.headers), record.content_stream().read()


def passes_warcio_check(path: Path) -> bool:
    command = [str(Path(sys.executable).with_name("warcio")), "check", "-v", str(path)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    return checked.returncode == 0 and "digest pass" in checked.stdout


def test_an_answer_is_a_response_a_request_and_a_metadata_record(tmp_path: Path) -> None:
    path = write(tmp_path, PAGE)
    assert path.name == "crawl-00-00000.warc.gz"
    (_, (kind, head, body), (asks, question, _), (told, about, fields)) = read(path)
    assert (kind, asks, told) == ("response", "request", "metadata")
    assert body == PAGE.body
    assert head["WARC-Date"] == question["WARC-Date"] == about["WARC-Date"] == "2026-01-02T03:04:05.000678Z"
    assert head["WARC-IP-Address"] == "192.0.2.1"
    assert head["WARC-Payload-Digest"] == payload_digest(PAGE.body)
    assert head["WARC-Block-Digest"].startswith("sha1:")
    assert question["WARC-Concurrent-To"] == about["WARC-Concurrent-To"] == head["WARC-Record-ID"]
    assert fields == b"fetchTimeMs: 46\r\ncharset-detected: utf-8\r\n"
    assert about["Content-Type"] == "application/warc-fields"


@pytest.mark.parametrize(
    ("error", "body", "reason"),
    [
        (None, b"x", None),
        (FetchError.TOO_LARGE, b"", "length"),
        (FetchError.TIMEOUT, b"x", "time"),
        (FetchError.CONNECTION_RESET, b"x", "disconnect"),
        (FetchError.INCOMPLETE_BODY, b"x", "disconnect"),
    ],
)
def test_a_cut_body_says_why(
    tmp_path: Path, error: FetchError | None, body: bytes, reason: str | None
) -> None:
    cut = HttpResponse("http://h/", "http://h/", status=200, body=body, error=error)
    assert is_writable(cut)
    (_, (_, head, _), *_) = read(write(tmp_path, cut))
    assert head.get("WARC-Truncated") == reason


@pytest.mark.parametrize(
    "response",
    [
        HttpResponse("http://h/", "http://h/", error=FetchError.DNS_FAILED),
        HttpResponse("http://h/", "http://h/", status=200, error=FetchError.TIMEOUT),
        HttpResponse("http://h/", "http://h/", status=200, body=b"x", error=FetchError.BAD_RESPONSE),
    ],
)
def test_what_never_came_leaves_no_record(response: HttpResponse) -> None:
    assert not is_writable(response)


def test_a_response_can_be_read_where_it_was_written(tmp_path: Path) -> None:
    file = WarcFile(tmp_path, 0, 0, 0, {})
    places = [file.write(PAGE), file.write(HttpResponse("http://h/b", "http://h/b", status=200, body=b"b"))]
    length = file.length
    file.close()
    finish(tmp_path, 0, 0, length)
    path = tmp_path / places[0].archive
    assert [read_response(path, place.offset).body for place in places] == [PAGE.body, b"b"]
    assert (places[0].etag, places[0].digest) == ('"1"', payload_digest(PAGE.body))
    with pytest.raises(ValueError, match="no response record"):
        read_response(path, 0)


def test_a_file_goes_on_at_a_length(tmp_path: Path) -> None:
    file = WarcFile(tmp_path, 0, 0, 0, {})
    file.write(PAGE)
    length = file.length
    file.write(PAGE)
    file.close()
    again = WarcFile(tmp_path, 0, 0, length, {})
    again.write(PAGE)
    length = again.length
    again.close()
    finish(tmp_path, 0, 0, length)
    kinds = [kind for kind, _, _ in read(tmp_path / again.name)]
    assert kinds == ["warcinfo"] + ["response", "request", "metadata"] * 2


def test_a_crawls_records_read_the_same_by_both_readers(tmp_path: Path) -> None:
    page = "<title>é</title>" * 100
    packed = web.Response(
        body=gzip.compress(page.encode()),
        headers={"Content-Type": "text/html; charset=utf-8", "Content-Encoding": "gzip", "X-Name": "é"},
    )
    rules = web.Response(text="User-agent: *\nAllow: /")
    with pages({"/": packed, "/robots.txt": rules}) as server:
        run(tmp_path, server.url(), contact="me@example.org")
    (path,) = warcs(tmp_path)
    found = list(read(path))
    names = ["response", "request", "metadata"]
    targets = [server.url("/robots.txt")] * 3 + [server.url()] * 3
    assert [(kind, head.get("WARC-Target-URI", "")) for kind, head, _ in found] == [
        ("warcinfo", ""),
        *zip(names * 2, targets, strict=True),
    ]
    assert b"http-header-user-agent: wit-builder/0.1 (+me@example.org)" in found[0][2]
    assert [found[1][2], found[4][2].decode()] == [b"User-agent: *\nAllow: /", page]
    assert found[4][1]["WARC-IP-Address"] == "127.0.0.1"
    assert b"charset-detected: utf-8" in found[6][2]
    assert fast_records(path) == [(kind, head.get("WARC-Target-URI"), body) for kind, head, body in found]
    assert path.read_bytes().count(b"\x1f\x8b\x08") >= len(found)  # each can be read alone
    assert passes_warcio_check(path)


def fast_records(path: Path) -> list[tuple[Any, ...]]:
    with path.open("rb") as file:
        return [
            (record.headers.get("WARC-Type"), record.headers.get("WARC-Target-URI"), record.reader.read())
            for record in FastIterator(file, parse_http=True, verify_digests=True)
        ]
