import gzip
import zlib

import brotli
import pytest

from wit_builder.responses import read_response, unpacked

PAGE = b"<img src=a.jpg alt=x>"
CHUNKED = b"5\r\n<img \r\n10;x=y\r\nsrc=a.jpg alt=x>\r\n0\r\n\r\n"


def response(headers: str, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + headers.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body


def test_status_type_and_charset() -> None:
    read = read_response(response("content-TYPE: Text/HTML ; Charset='UTF-8'\nX-Robots-Tag: noai", PAGE))
    assert read
    assert (read.status, read.media_type, read.charset, read.body) == (200, "text/html", "UTF-8", PAGE)
    assert ("x-robots-tag", "noai") in read.headers


def test_bare_line_ends_and_http_2_are_understood() -> None:
    read = read_response(b"HTTP/2 404\nContent-Type: text/html\n\n" + PAGE)
    assert read
    assert (read.status, read.media_type, read.charset, read.body) == (404, "text/html", None, PAGE)


@pytest.mark.parametrize("record", [b"", PAGE, b"HTTP/1.1 200 OK", b"HTTP/1.1 OK\r\n\r\n"])
def test_what_is_no_response_is_none(record: bytes) -> None:
    assert read_response(record) is None


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ("Content-Type: text/html", PAGE),
        ("Transfer-Encoding: chunked", CHUNKED),
        ("Transfer-Encoding: chunked", PAGE),  # an archive may have joined the chunks
        ("Content-Encoding: gzip", gzip.compress(PAGE)),
        ("Content-Encoding: gzip", PAGE),
        ("Content-Encoding: deflate", zlib.compress(PAGE)),
        ("Content-Encoding: br", brotli.compress(PAGE)),
        ("Content-Encoding: br", PAGE),
        ("Content-Encoding: br, gzip", gzip.compress(brotli.compress(PAGE))),
        ("X-Crawl-Content-Encoding: gzip", PAGE),
    ],
)
def test_chunks_and_compression_are_taken_away(headers: str, body: bytes) -> None:
    read = read_response(response(headers, body))
    assert read
    assert unpacked(read) == PAGE


@pytest.mark.parametrize("coding", ["gzip", "br"])
def test_a_damaged_body_is_a_value_error(coding: str) -> None:
    packed = {"gzip": gzip.compress(PAGE), "br": brotli.compress(PAGE)}[coding]
    read = read_response(response(f"Content-Encoding: {coding}", packed[:10] + b"\xff" * 30))
    assert read
    with pytest.raises(ValueError, match="cannot be unpacked"):
        unpacked(read)
