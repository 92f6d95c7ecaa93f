import asyncio
import random
import signal
import subprocess
import sys
import time
from collections import Counter
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
from wit_builder.outcomes import Outcome, fault_of
from wit_builder.web import FetchError, HttpResponse


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


async def tree(request: web.Request) -> web.Response:
    """Serve a binary tree of 200 pages."""
    if request.path == "/robots.txt":
        return web.Response(status=404)
    number = int(request.path[1:])
    children = [f"/{child}" for child in (2 * number, 2 * number + 1) if child <= 200]
    return web.Response(text=links(*children), content_type="text/html")


def test_killed_at_any_moment_a_crawl_repeats_only_what_was_under_way(tmp_path: Path) -> None:
    moments = random.Random(0)
    kills = []
    answered = 0
    process: subprocess.Popen[bytes] | None = None
    kill_at = 5

    async def answer(request: web.Request) -> web.Response:
        nonlocal answered, kill_at
        answered += 1
        if answered == kill_at and process:
            asyncio.get_running_loop().call_later(moments.uniform(0, 0.004), process.kill)
            kills.append(answered)
            kill_at += moments.randrange(5, 60)
        return await tree(request)

    with site(answer) as one, site(answer) as two:
        seeds = [one.url("/1"), two.url("/1")]
        while process is None or process.wait(60) == -signal.SIGKILL:
            for leftover in tmp_path.glob("*.open"):  # what a torn write leaves
                leftover.write_bytes(leftover.read_bytes() + b"\x1f\x8btorn")
            process = subprocess.Popen([sys.executable, "-c", RUN, *seeds, str(tmp_path), "9000"])
        assert process.returncode == 0
        assert len(kills) >= 10
        for server in (one, two):
            expected = {f"/{number}": 1 for number in range(1, 201)}
            mine = {path: number for path, number in answers(tmp_path, server).items() if path in expected}
            assert mine == expected
            asked = Counter(server.requests) - Counter(["/robots.txt"] * 999)
            assert asked.keys() == expected.keys()
            # a host is asked one page at a time, so a kill repeats one request at most
            assert sum(asked.values()) - len(expected) <= len(kills)
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
    assert summary.failures == {"http_4xx": 1, "connect_failed": 1}


def test_a_host_has_a_budget_and_what_it_leaves_out_is_counted(tmp_path: Path) -> None:
    with site(calendar) as one, pages({"/": links("/a", "/b"), "/a": "x", "/b": "x"}) as two:
        summary = run(tmp_path, one.url("/?day=1"), two.url(), max_pages_per_host=6)
    assert len(one.requests) == 1 + 6
    assert len(two.requests) == 1 + 3
    assert (summary.pages, summary.waiting) == (9, 0)
    assert set(summary.failures) == {Outcome.HOST_BUDGET}


def canonical_link(target: str) -> str:
    return f'<link rel="canonical" href="{target}">'


def test_a_page_that_names_another_as_itself_stands_for_it(tmp_path: Path) -> None:
    content: dict[str, web.Response | str | bytes] = {
        "/": links("/p?x=1", "/p?x=2"),
        "/p?x=1": canonical_link("/p") + links("/p"),
        "/p?x=2": canonical_link("/p") + links("/p", "/more"),
        "/more": canonical_link("http://example.org/more") + canonical_link("/p"),
        "/p": "x",
    }
    with pages(content) as server:
        summary = run(tmp_path, server.url())
        found = answers(tmp_path, server)
    assert "/p" not in server.requests
    assert len(found.keys() & {"/p?x=1", "/p?x=2"}) == 1
    assert "/more" in found  # another host's word for it does not count
    assert (summary.pages, summary.failures) == (3, {Outcome.DUPLICATE_PAGE: 2})


def test_a_canonical_address_that_failed_makes_no_duplicate(tmp_path: Path) -> None:
    content: dict[str, web.Response | str | bytes] = {
        "/": links("/gone", "/a"),
        "/a": links("/b"),
        "/b": canonical_link("/gone"),
    }
    with pages(content) as server:
        assert run(tmp_path, server.url()).pages == 3


def test_robots_txt_is_asked_for_once_a_day_over_restarts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site(calendar) as server:
        run(tmp_path, server.url("/?day=1"), max_pages=2)
        run(tmp_path, server.url("/?day=1"), max_pages=4)
        assert server.requests.count("/robots.txt") == 1
        later = time.time() + 25 * 3600
        monkeypatch.setattr("wit_builder.crawler.time.time", lambda: later)
        run(tmp_path, server.url("/?day=1"), max_pages=6)
    assert server.requests.count("/robots.txt") == 2


@pytest.mark.parametrize(("moves", "pages_had"), [(5, 1), (6, 0)])
def test_a_robots_txt_may_move_five_times(tmp_path: Path, moves: int, pages_had: int) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/":
            return web.Response(text="x", content_type="text/html")
        done = int(request.query_string or 0)
        if done == moves:
            return web.Response(text="User-agent: *\nDisallow: /no")
        return web.Response(status=301, headers={"Location": f"/rules?{done + 1}"})

    with site(answer) as server:
        assert run(tmp_path, server.url()).pages == pages_had  # RFC 9309 2.3.1.2


def test_a_host_rests_over_a_restart(tmp_path: Path) -> None:
    content: dict[str, web.Response | str | bytes] = {
        "/robots.txt": web.Response(text="User-agent: *\nCrawl-delay: 0.6"),
        "/": links("/a"),
        "/a": "x",
    }
    with pages(content) as server:
        started = time.monotonic()
        run(tmp_path, server.url(), max_pages=1)
        run(tmp_path, server.url(), max_pages=2)
    assert time.monotonic() - started >= 0.6
    assert server.requests == ["/robots.txt", "/", "/a"]


def test_what_a_budget_leaves_out_does_not_depend_on_timing(tmp_path: Path) -> None:
    content: dict[str, web.Response | str | bytes] = {"/": links(*(f"/{n}" for n in range(30)))}
    content |= {f"/{n}": f"{n}" for n in range(30)}
    with pages(content) as server:
        run(tmp_path / "whole", server.url(), max_pages=12)
        for budget in (3, 7, 12):
            run(tmp_path / "steps", server.url(), max_pages=budget)
        assert answers(tmp_path / "whole", server) == answers(tmp_path / "steps", server)


def test_every_fault_of_the_client_has_an_outcome() -> None:
    for fault in FetchError:
        assert isinstance(fault_of(HttpResponse("", "", status=418, error=fault)), Outcome)
    assert fault_of(HttpResponse("", "", status=200)) is None


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
