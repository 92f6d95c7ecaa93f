import gzip

import pytest
from aiohttp import web

from tests.servers import pages, site, unused_port
from wit_builder import storage
from wit_builder.errors import UserError
from wit_builder.paths import expand_archives


def test_a_file_over_http_is_read_whole_and_seekable() -> None:
    with pages({"/file": b"0123456789"}) as running, storage.open_read(running.url("/file")) as handle:
        assert handle.read() == b"0123456789"
        handle.seek(5)
        assert handle.read(2) == b"56"


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
