import gzip
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.crawling import answers, links, run
from tests.servers import site
from wit_builder.sitemaps import MAX_ENTRIES, Entry, entries_of, sitemaps_in_robots

NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def urlset(*urls: str) -> str:
    return f"<urlset {NAMESPACE}>" + "".join(f"<url><loc>{url}</loc></url>" for url in urls) + "</urlset>"


def index(*urls: str) -> str:
    inner = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f"<sitemapindex {NAMESPACE}>{inner}</sitemapindex>"


@pytest.mark.parametrize(
    ("body", "urls"),
    [
        (urlset("http://h/a", "http://h/b").encode(), ["http://h/a", "http://h/b"]),
        (b"<urlset><url><loc>\n http://h/a?b=1&amp;c=2 \n</loc></url>", ["http://h/a?b=1&c=2"]),
        (b"<s:urlset><s:loc><![CDATA[http://h/a]]></s:loc>", ["http://h/a"]),
        (b"http://h/a\nhttp://h/b\nnot an address", ["http://h/a", "http://h/b"]),
        (gzip.compress(urlset("http://h/a").encode()), ["http://h/a"]),
        (gzip.compress(urlset("http://h/a").encode())[:-9], ["http://h/a"]),
        (b"\x1f\x8bnot gzip", []),
        (b"", []),
    ],
)
def test_addresses_are_read_from_whatever_a_sitemap_is(body: bytes, urls: list[str]) -> None:
    assert list(entries_of(body, 10_000)) == [Entry(url, False) for url in urls]


def test_an_index_names_sitemaps() -> None:
    assert list(entries_of(index("http://h/s").encode(), 1000)) == [Entry("http://h/s", True)]


def test_what_is_too_long_is_read_up_to_the_limit() -> None:
    bomb = gzip.compress(urlset(*["http://h/a"] * 100_000).encode())
    assert len(list(entries_of(bomb, 10**9))) == MAX_ENTRIES
    assert len(list(entries_of(bomb, 1_000))) < 50


@given(st.binary(max_size=200))
def test_no_bytes_are_an_error(body: bytes) -> None:
    list(entries_of(b"<loc>" + body, 100))
    sitemaps_in_robots(body, 5)


def test_robots_txt_names_sitemaps() -> None:
    body = b"User-agent: *\nSitemap: http://h/s\n sitemap:/t # no\nSITEMAP: http://h/s\nNot-a-sitemap: x"
    assert sitemaps_in_robots(body, 9) == ["http://h/s", "/t"]
    assert sitemaps_in_robots(body, 1) == ["http://h/s"]


def site_with_sitemaps() -> Any:
    async def answer(request: web.Request) -> web.Response:
        root = f"http://{request.host}"
        texts = {
            "/robots.txt": f"User-agent: *\nDisallow: /no\nSitemap: {root}/index\nSitemap: {root}/list.gz",
            "/index": index(f"{root}/one.xml", f"{root}/moved.xml", "http://example.org/theirs.xml"),
            "/one.xml": urlset(f"{root}/a", f"{root}/no", f"{root}/i.jpg", "http://example.org/x", "//["),
            "/new.xml": urlset(f"{root}/b"),
        }
        if request.path == "/moved.xml":
            return web.Response(status=301, headers={"Location": "/new.xml"})
        if request.path == "/list.gz":
            return web.Response(body=gzip.compress(f"{root}/c\n".encode()), content_type="application/gzip")
        if request.path in texts:
            return web.Response(text=texts[request.path], content_type="text/plain")
        return web.Response(text=links("/") if request.path == "/a" else "x", content_type="text/html")

    return site(answer)


def test_a_crawl_finds_the_pages_of_a_sites_sitemaps(tmp_path: Path) -> None:
    with site_with_sitemaps() as server:
        summary = run(tmp_path, server.url())
        found = answers(tmp_path, server)
    steps = {"/index", "/one.xml", "/moved.xml", "/new.xml", "/list.gz"}
    assert set(found) == steps | {"/", "/a", "/b", "/c"}
    assert (summary.pages, summary.failures) == (4, {"robots_disallows": 1})


@pytest.mark.parametrize("changes", [{"sitemaps": False}, {"max_depth": 0}])
def test_sitemaps_are_left_alone_where_they_are_not_wanted(tmp_path: Path, changes: dict[str, Any]) -> None:
    with site_with_sitemaps() as server:
        run(tmp_path, server.url(), **changes)
    assert sorted(server.requests) == ["/", "/robots.txt"]


def test_an_index_of_itself_ends(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        root = f"http://{request.host}"
        if request.path == "/robots.txt":
            return web.Response(text=f"Sitemap: {root}/s?0")
        number = int(request.query_string or 0)
        text = index(f"{root}/s?{number + 1}", f"{root}/s?{number}")
        return web.Response(text=text, content_type="text/html")

    with site(answer) as server:
        summary = run(tmp_path, server.url())
    assert (summary.waiting, len(server.requests)) == (0, 2 + 3)
