from email.utils import formatdate
from pathlib import Path

import pytest
from aiohttp import web

from tests.crawling import links, records, run, warcs
from tests.servers import Site, pages, site
from tests.wit_builder.test_warc import passes_warcio_check
from wit_builder.addresses import AGENT_TOKEN
from wit_builder.errors import UserError
from wit_builder.filters import FilterOptions
from wit_builder.transforms.candidates import ExtractCandidates
from wit_builder.transforms.parts import WorkItem

CHANGED = "<p>new</p>"
DATE = formatdate(1_000_000_000, usegmt=True)


class Versions:
    """A site of five pages; one has another body from `second` on."""

    def __init__(self) -> None:
        self.second = False

    async def answer(self, request: web.Request) -> web.Response:
        conditions = request.headers
        if request.path == "/etag":
            if conditions.get("If-None-Match") == '"a"':
                return web.Response(status=304, headers={"ETag": '"a"'})
            return self.page(links("/below"), {"ETag": '"a"'})
        if request.path == "/dated":
            if conditions.get("If-Modified-Since") == DATE:
                return web.Response(status=304)
            return self.page('<img src="/i.jpg" alt="a dated picture">', {"Last-Modified": DATE})
        bodies = {
            "/": links("/etag", "/dated", "/plain", "/changing"),
            "/plain": "<p>the same</p>",
            "/below": "<p>below</p>",
            "/changing": CHANGED if self.second else "<p>old</p>",
        }
        if request.path in bodies:
            return self.page(bodies[request.path], {})
        return web.Response(status=404)

    def page(self, text: str, headers: dict[str, str]) -> web.Response:
        return web.Response(text=text, content_type="text/html", headers=headers)


def crawl_thrice(folder: Path) -> Site:
    content = Versions()
    with site(content.answer) as server:
        run(folder / "first", server.url())
        content.second = True
        again = run(folder / "second", server.url(), recrawl=str(folder / "first"))
        third = run(folder / "third", server.url(), recrawl=str(folder / "second"))
    assert (again.pages, again.unchanged, again.failures) == (6, 5, {})
    assert (third.pages, third.unchanged, third.failures) == (6, 6, {})
    return server


def test_a_recrawl_writes_only_what_has_changed(tmp_path: Path) -> None:
    server = crawl_thrice(tmp_path)
    first = {record.url: record for record in records(tmp_path / "first") if record.kind == "response"}
    second = list(records(tmp_path / "second"))
    profiles = {
        record.url.removeprefix(server.url("")): record.head["WARC-Profile"].rpartition("/")[2]
        for record in second
        if record.kind == "revisit"
    }
    assert profiles == {
        "/": "identical-payload-digest",
        "/plain": "identical-payload-digest",
        "/below": "identical-payload-digest",  # found by the links of a page that was not sent again
        "/etag": "server-not-modified",
        "/dated": "server-not-modified",
    }
    for record in [*second, *records(tmp_path / "third")]:
        if record.kind == "revisit" and record.url in first and not record.url.endswith("/changing"):
            original = first[record.url].head
            assert record.head["WARC-Refers-To"] == original["WARC-Record-ID"]
            assert record.head["WARC-Refers-To-Date"] == original["WARC-Date"]
            assert record.head["WARC-Refers-To-Target-URI"] == record.url
            assert record.head["WARC-Payload-Digest"] == original["WARC-Payload-Digest"]
            assert record.body == b""
    bodies = [record.body for record in second if record.kind == "response" and "robots" not in record.url]
    assert bodies == [CHANGED.encode()]
    assert all(passes_warcio_check(path) for name in ("first", "second") for path in warcs(tmp_path / name))


def test_candidates_find_an_unchanged_page_in_the_earlier_archive(tmp_path: Path) -> None:
    crawl_thrice(tmp_path)
    archives = tuple(str(path) for name in ("first", "second") for path in warcs(tmp_path / name))
    make = ExtractCandidates(FilterOptions(), AGENT_TOKEN, False)
    make.setup()
    assert make.run(WorkItem(archives, str(tmp_path / "part.parquet"))).rows_out == 1


def test_a_page_whose_archive_is_gone_is_asked_for_whole(tmp_path: Path) -> None:
    with site(Versions().answer) as server:
        run(tmp_path / "first", server.url())
        for path in warcs(tmp_path / "first"):
            path.unlink()
        again = run(tmp_path / "second", server.url(), recrawl=str(tmp_path / "first"))
    assert (again.pages, again.unchanged) == (6, 0)


def test_an_archive_that_was_exchanged_is_named(tmp_path: Path) -> None:
    with site(Versions().answer) as server:
        run(tmp_path / "first", server.url("/etag"))
        for path in warcs(tmp_path / "first"):
            path.write_bytes(b"")
        with pytest.raises(UserError, match="crawl without --recrawl"):
            run(tmp_path / "second", server.url("/etag"), recrawl=str(tmp_path / "first"))


def test_a_page_that_was_not_had_is_asked_for_whole(tmp_path: Path) -> None:
    with pages({"/": links("/gone")}) as server:
        run(tmp_path / "first", server.url())
        again = run(tmp_path / "second", server.url(), recrawl=str(tmp_path / "first"))
    assert (again.unchanged, again.failures) == (1, {"http_4xx": 1})


def test_a_folder_that_holds_no_crawl_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name the folder of an earlier crawl"):
        run(tmp_path / "second", "http://127.0.0.1:1/", recrawl=str(tmp_path / "nothing"))
