import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from warcio.archiveiterator import ArchiveIterator

from tests.crawling import RUN, answers, links, records, run, warcs
from tests.servers import pages, site, unused_port
from wit_builder.crawl_options import CrawlOptions
from wit_builder.crawl_summary import CrawlSummary
from wit_builder.errors import UserError
from wit_builder.outcomes import Outcome


def test_a_site_is_crawled_once_a_page(tmp_path: Path) -> None:
    content: dict[str, web.Response | str | bytes] = {
        "/": links(
            "a", "/b#part", "HTTP://127.0.0.1:PORT/c", "./d/../a", "mailto:x@y", "javascript:x", "//["
        ),
        "/a": links("/", "/b?", "/gone"),
        "/b": links("/photo.jpg", "/data", "https://example.org/"),
        "/data": web.Response(body=b"{}", content_type="application/json"),
    }
    with pages(content) as server:
        summary = run(tmp_path, server.url(), server.url(""))
    assert answers(tmp_path, server) == {"/": 1, "/a": 1, "/b": 1}
    assert summary == CrawlSummary(
        pages=3,
        unchanged=0,
        bytes=sum(len(content[path]) for path in ("/", "/a", "/b")),
        failures={Outcome.HTTP_4XX: 1, Outcome.NOT_HTML: 1},
        waiting=0,
        asked=5,
    )
    assert sorted(server.requests) == ["/", "/a", "/b", "/data", "/gone", "/robots.txt"]


def test_robots_and_nofollow_are_obeyed(tmp_path: Path) -> None:
    content: dict[str, web.Response | str | bytes] = {
        "/robots.txt": web.Response(text="User-agent: wit-builder\nDisallow: /no"),
        "/": links("/no/1", "/no/2", "/quiet") + '<a rel="ugc nofollow" href="/ad">x</a>',
        "/quiet": '<meta name="ROBOTS" content="index, NoFollow">' + links("/hidden"),
        "/hidden": "x",
        "/ad": "x",
    }
    with pages(content) as server:
        summary = run(tmp_path, server.url())
    assert sorted(server.requests) == ["/", "/quiet", "/robots.txt"]
    assert (summary.pages, summary.robots_denied) == (2, 2)
    assert summary.failures == {"robots_disallows": 2}


def test_a_robots_file_that_cannot_be_had_stops_the_crawl(tmp_path: Path) -> None:
    with pages({"/robots.txt": web.Response(status=503), "/": "x"}) as server:
        summary = run(tmp_path, server.url())
    assert (summary.pages, summary.robots_denied) == (0, 1)
    assert set(server.requests) == {"/robots.txt"}


def test_redirects_are_pages_of_their_own(tmp_path: Path) -> None:
    content: dict[str, web.Response | str | bytes] = {
        "/": links("/old", "/new", "/loop", "/away"),
        "/old": web.Response(status=301, headers={"Location": "/new"}),
        "/new": "here",
        "/loop": web.Response(status=302, headers={"Location": "/loop"}),
        "/away": web.Response(status=302, headers={"Location": "https://example.org/"}),
    }
    with pages(content) as server:
        summary = run(tmp_path, server.url(), max_depth=1)
    assert answers(tmp_path, server) == {"/": 1, "/old": 1, "/new": 1, "/loop": 1, "/away": 1}
    assert (summary.pages, summary.failures, summary.waiting) == (2, {}, 0)


async def calendar(request: web.Request) -> web.Response:
    day = int(request.query.get("day", "0"))
    if request.path == "/robots.txt":
        return web.Response(status=404)
    return web.Response(text=links(f"/?day={day + 1}", f"/?day={day * 2}"), content_type="text/html")


def test_an_endless_calendar_ends_at_the_depth(tmp_path: Path) -> None:
    with site(calendar) as server:
        summary = run(tmp_path, server.url("/?day=1"), max_depth=4)
    reachable = {1}
    for _ in range(4):
        reachable |= {day + 1 for day in reachable} | {day * 2 for day in reachable}
    assert answers(tmp_path, server) == {f"/?day={day}": 1 for day in reachable}
    assert (summary.pages, summary.waiting) == (len(reachable), 0)


def test_endless_redirects_end(tmp_path: Path) -> None:
    async def onward(request: web.Request) -> web.Response:
        if request.path == "/robots.txt":
            return web.Response(status=404)
        return web.Response(status=302, headers={"Location": f"{request.path}x"})

    with site(onward) as server:
        run(tmp_path, server.url("/x"), max_depth=0)
    assert len(server.requests) == 1 + 6


def test_the_budget_counts_requests_and_holds_over_restarts(tmp_path: Path) -> None:
    with site(calendar) as server:
        first = run(tmp_path, server.url("/?day=1"), max_pages=5)
        second = run(tmp_path, server.url("/?day=1"), max_pages=5)
        third = run(tmp_path, server.url("/?day=1"), max_pages=8)
    assert (first.pages, second.pages, third.pages) == (5, 5, 8)
    assert first.waiting > 0
    assert set(answers(tmp_path, server).values()) == {1}


def test_a_page_found_late_but_near_keeps_its_depth(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/slow":
            await asyncio.sleep(0.1)  # the near way to /target is the slow one
        target = {
            "/": links("/slow", "/a"),
            "/a": links("/b"),
            "/b": links("/target"),
            "/slow": links("/target"),
        }
        return web.Response(text=target.get(request.path, links("/end")), content_type="text/html")

    with site(answer) as server:
        run(tmp_path, server.url(), max_depth=3)
    assert "/end" in answers(tmp_path, server)


def test_files_are_finished_at_their_length(tmp_path: Path) -> None:
    content: dict[str, web.Response | str | bytes] = {f"/{i}": links(f"/{i + 1}") for i in range(10)}
    with pages(content) as server:
        run(tmp_path, server.url("/0"), max_depth=9, warc_bytes=1)
    names = [path.name for path in warcs(tmp_path)]
    assert names == [f"crawl-00-{number:05d}.warc.gz" for number in range(len(names))]
    assert len(names) >= 5
    assert answers(tmp_path, server) == {f"/{i}": 1 for i in range(10)}
    assert not list(tmp_path.glob("*.open"))
    assert [record.kind for record in records(tmp_path)].count("warcinfo") == len(names)


@pytest.mark.parametrize("kill_at", [1, 9, 40])
@pytest.mark.parametrize("warc_bytes", [1, 100_000_000])
def test_a_killed_crawl_goes_on_with_every_page_once(tmp_path: Path, kill_at: int, warc_bytes: int) -> None:
    process: list[subprocess.Popen[bytes]] = []
    asked = []

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/robots.txt":
            return web.Response(status=404)
        asked.append(request.path)
        if len(asked) == kill_at:
            os.kill(process[0].pid, signal.SIGKILL)
        number = int(request.path[1:])
        children = [f"/{child}" for child in (2 * number, 2 * number + 1) if child <= 60]
        return web.Response(text=links(*children), content_type="text/html")

    with site(answer) as server:
        command = [sys.executable, "-c", RUN, server.url("/1"), str(tmp_path), str(warc_bytes)]
        process.append(subprocess.Popen(command))
        assert process[0].wait(60) == -signal.SIGKILL
        leftover = next(tmp_path.glob("*.open"), None)
        if leftover:  # what a torn write leaves
            leftover.write_bytes(leftover.read_bytes() + b"\x1f\x8btorn")
        summary = run(tmp_path, server.url("/1"), max_depth=20, warc_bytes=warc_bytes)
    assert answers(tmp_path, server) == {f"/{number}": 1 for number in range(1, 61)}
    assert (summary.pages, summary.waiting, summary.failures) == (60, 0, {})
    assert not list(tmp_path.glob("*.open"))


def test_a_crawl_ended_just_before_its_file_had_its_name_is_finished(tmp_path: Path) -> None:
    def fail(_: CrawlSummary) -> None:
        raise ZeroDivisionError

    with pages({"/": "x"}) as server:
        with pytest.raises(ZeroDivisionError):
            run(tmp_path, server.url(), progress=fail)
        assert [path.name for path in tmp_path.glob("*.open")] == ["crawl-00-00000.warc.gz.open"]
        assert run(tmp_path, server.url()).pages == 1
    assert answers(tmp_path, server) == {"/": 1}
    assert not list(tmp_path.glob("*.open"))


def test_a_finished_crawl_asks_for_nothing_more(tmp_path: Path) -> None:
    with pages({"/": "x"}) as server:
        first = run(tmp_path, server.url())
        before = warcs(tmp_path)[0].read_bytes()
        asked = len(server.requests)
        assert run(tmp_path, server.url()) == first
    assert (len(server.requests), warcs(tmp_path)[0].read_bytes()) == (asked, before)


def test_two_crawls_do_not_share_a_folder(tmp_path: Path) -> None:
    refusals: list[subprocess.CompletedProcess[bytes]] = []

    async def answer(_: web.Request) -> web.Response:
        if not refusals:
            command = [sys.executable, "-c", RUN, "http://127.0.0.1/", str(tmp_path), "1"]
            refusals.append(await asyncio.to_thread(subprocess.run, command, capture_output=True))
        return web.Response(text="x", content_type="text/html")

    with site(answer) as server:
        run(tmp_path, server.url())
    assert b"UserError: cannot use" in refusals[0].stderr
    assert b"is another crawl writing to this folder?" in refusals[0].stderr


def test_a_long_page_is_cut_and_says_so(tmp_path: Path) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"x" * 1000)
        return response

    with site(endless) as server:
        summary = run(tmp_path, server.url(), max_bytes=5_000)
    assert summary.failures == {"too_large": 1}
    with warcs(tmp_path)[0].open("rb") as file:
        cut = [
            r.rec_headers.get_header("WARC-Truncated")
            for r in ArchiveIterator(file)
            if r.rec_type == "response"
        ]
    assert cut == ["length", "length"]  # robots.txt and the page


def test_failures_are_counted_by_reason(tmp_path: Path) -> None:
    dead = f"http://127.0.0.1:{unused_port()}/"
    with pages({"/": "x"}) as server:
        summary = run(tmp_path, server.url(), dead, server.url("/missing"))
    assert summary.failures == {"http_4xx": 1, "robots_unreachable": 1}


def test_progress_ends_with_the_summary(tmp_path: Path) -> None:
    seen: list[CrawlSummary] = []
    with pages({"/": links("/a"), "/a": "x"}) as server:
        summary = run(tmp_path, server.url(), progress=seen.append)
    assert seen[-1] == summary
    assert [step.pages for step in seen] == sorted(step.pages for step in seen)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": ()}, "seeds is empty"),
        ({"seeds": ("example.org",)}, "seed 'example.org' is not a web address"),
        ({"seeds": ("https://example.org/",)}, "give --contact"),
        ({"seeds": ("http://127.0.0.1/",), "same_site": False}, "same_site is off and there is no contact"),
        ({"seeds": ("http://127.0.0.1/",), "max_pages": 0}, "max_pages is 0; give 1 or more"),
        ({"seeds": ("http://127.0.0.1/",), "output": "s3://bucket/x"}, "not a local folder"),
    ],
)
def test_options_that_cannot_work_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        CrawlOptions(**{"output": "out", **changes})


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="choose another output folder"):
        run(tmp_path / "file", "http://127.0.0.1/")


def test_a_frontier_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "frontier-00.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(UserError, match=r"frontier-00\.sqlite"):
        run(tmp_path, "http://127.0.0.1/")
