import gzip
import socket
from collections.abc import Iterator
from itertools import chain, repeat

import pytest
from aiohttp import web

from tests.servers import Handler, pages, raw, site, unused_port
from wit_builder import https, storage
from wit_builder.errors import UserError
from wit_builder.paths import expand_archives


def test_a_file_over_http_is_read_whole_and_seekable() -> None:
    with pages({"/file": b"0123456789"}) as running, storage.open_read(running.url("/file")) as handle:
        assert handle.read() == b"0123456789"
        handle.seek(5)
        assert handle.read(2) == b"56"


CONTENT = bytes(range(256)) * 40


def _ranged(etags: Iterator[str]) -> Handler:
    async def serve(request: web.Request) -> web.Response:
        part, etag = request.http_range, next(etags)
        if request.headers.get("If-Range", etag) != etag:
            return web.Response(body=CONTENT, headers={"ETag": etag})
        start, stop = part.start or 0, min(part.stop or len(CONTENT), len(CONTENT))
        headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(CONTENT)}", "ETag": etag}
        return web.Response(status=206, body=CONTENT[part], headers=headers)

    return serve


def test_a_server_of_ranges_is_asked_for_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wit_builder.https._BLOCK", 1000)
    with site(_ranged(repeat('"a"'))) as running, storage.open_read(running.url("/file")) as handle:
        assert handle.read(300) == CONTENT[:300]
        handle.seek(5000)
        assert handle.read(10) == CONTENT[5000:5010]
        assert len(running.requests) == 2
        assert handle.seek(-20, 2) == len(CONTENT) - 20
        assert handle.read() == CONTENT[-20:]
        handle.seek(0)
        assert handle.read() == CONTENT


def test_a_file_that_changes_while_it_is_read_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wit_builder.https._BLOCK", 1000)
    etags = chain(['"a"'], repeat('"b"'))
    with (
        site(_ranged(etags)) as running,
        storage.open_read(running.url("/file")) as handle,
        pytest.raises(UserError, match="/file changed while it was read; run again"),
    ):
        handle.read()


def test_an_empty_file_of_a_server_of_ranges_is_empty() -> None:
    async def empty(request: web.Request) -> web.Response:
        return web.Response(status=416, headers={"Content-Range": "bytes */0"})

    with site(empty) as running:
        assert storage.read_bytes(running.url("/file")) == b""


def test_a_path_list_over_http_names_archives() -> None:
    with pages({"/warc.paths.gz": gzip.compress(b"x/1.warc.gz\nx/2.warc.gz\n")}) as running:
        found = expand_archives([running.url("/warc.paths.gz")], "https://host")
    assert found == ["https://host/x/1.warc.gz", "https://host/x/2.warc.gz"]


def test_size_and_presence_come_from_the_head() -> None:
    with pages({"/file": b"0123456789"}) as running:
        assert storage.size(running.url("/file")) == 10
        assert storage.exists(running.url("/file"))
        assert not storage.exists(running.url("/gone"))
        with pytest.raises(UserError, match="/gone does not exist"):
            storage.size(running.url("/gone"))


def test_a_busy_server_is_asked_again() -> None:
    answers = iter([503, 403, 200])

    async def busy(request: web.Request) -> web.Response:
        return web.Response(status=next(answers), body=b"at last", headers={"Retry-After": "0"})

    with site(busy) as running:
        assert storage.read_bytes(running.url("/file")) == b"at last"
        assert len(running.requests) == 3


def test_waits_double_and_differ_by_file() -> None:
    waits = [https.backoff_seconds("http://host/a", attempt) for attempt in range(1, 7)]
    assert all(2**n <= wait < 2 ** (n + 1) for n, wait in enumerate(waits))
    assert waits == [https.backoff_seconds("http://host/a", attempt) for attempt in range(1, 7)]
    assert len({https.backoff_seconds(f"http://host/{n}", 1) for n in range(100)}) == 100


def test_a_range_that_breaks_off_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "_BLOCK", 1000)
    monkeypatch.setattr(https, "backoff_seconds", lambda url, attempt: 0.0)
    answers = iter([b"x" * 1000, b"y" * 300, b"y" * 1000])

    def answer(connection: socket.socket) -> None:
        body = next(answers)
        start = 0 if body[:1] == b"x" else 1000
        connection.sendall(
            b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1000\r\nConnection: close\r\n"
            b"Content-Range: bytes %d-%d/2000\r\n\r\n%b" % (start, start + 999, body)
        )

    with raw(answer) as running, storage.open_read(running.url("/file")) as handle:
        assert handle.read() == b"x" * 1000 + b"y" * 1000
        assert len(running.requests) == 3


def test_what_cannot_be_downloaded_is_named() -> None:
    with pages({}) as running, pytest.raises(UserError, match=r"/gone cannot be downloaded .HTTP 404."):
        storage.read_bytes(running.url("/gone"))


def test_a_server_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wit_builder.https._ATTEMPTS", 1)
    from wit_builder.https import _session

    _session.cache_clear()
    with pytest.raises(UserError, match="ConnectionError"):
        storage.read_bytes(f"http://127.0.0.1:{unused_port()}/file")
    _session.cache_clear()
