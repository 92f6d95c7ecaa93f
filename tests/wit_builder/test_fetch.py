import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from tests.servers import Site, pages, site, unused_port
from wit_builder.download import Downloader, DownloadOptions
from wit_builder.errors import UserError
from wit_builder.fetch import FetchedBytes, FetchOptions, fetch_images
from wit_builder.records import Status
from wit_builder.rights import GROUNDS, RightsOptions
from wit_builder.robots import RobotsPolicy
from wit_builder.tdm import TdmPolicy
from wit_builder.web import AwaitRoom, HttpResponse

NOW = datetime(2030, 1, 2, tzinfo=UTC)


def fetch(
    requests: Iterable[tuple[str, str | None]], rights: RightsOptions | None = None, **changes: Any
) -> dict[str, FetchedBytes]:
    async def run() -> dict[str, FetchedBytes]:
        options = DownloadOptions(
            requests_per_second=0, allow_private_networks=True, retries=0, timeout_seconds=5
        )
        async with Downloader(options) as downloader:
            robots = TdmPolicy(downloader.get, RobotsPolicy(downloader.get, options.user_agent))
            results = fetch_images(
                requests, downloader, robots, FetchOptions(**changes), rights, now=lambda: NOW
            )
            return {result.url: result async for result in results}

    return asyncio.run(run())


def asked(server: Site) -> list[str]:
    return [path for path in server.requests if path not in ("/robots.txt", "/.well-known/tdmrep.json")]


def test_each_url_gives_bytes_or_a_word() -> None:
    with pages({"/a.jpg": b"image"}) as server:
        results = fetch([(server.url("/a.jpg"), None), (server.url("/b.jpg"), None), ("nonsense", None)])
    found = server.url("/a.jpg")
    assert results == {
        found: FetchedBytes(found, Status.SUCCESS, None, None, b"image", "image/jpeg", NOW),
        server.url("/b.jpg"): FetchedBytes(server.url("/b.jpg"), Status.FAILED_TO_DOWNLOAD, "http 404"),
        "nonsense": FetchedBytes("nonsense", Status.FAILED_TO_DOWNLOAD, "bad_url"),
    }
    assert sorted(server.requests) == ["/.well-known/tdmrep.json", "/a.jpg", "/b.jpg", "/robots.txt"]


def test_what_robots_disallows_is_never_asked_for() -> None:
    robots = web.Response(text="User-agent: wit-builder\nDisallow: /private")
    with pages({"/robots.txt": robots, "/private.jpg": b"x", "/free.jpg": b"y"}) as server:
        results = fetch([(server.url("/private.jpg"), None), (server.url("/free.jpg"), None)])
    refused = results[server.url("/private.jpg")]
    assert (refused.status, refused.error_message) == (Status.FAILED_TO_DOWNLOAD, "robots.txt disallows")
    assert refused.rights == "robots.txt disallows"
    assert asked(server) == ["/free.jpg"]


def test_a_site_whose_robots_cannot_be_had_has_not_said_no() -> None:
    with pages({"/robots.txt": web.Response(status=500), "/a.jpg": b"x"}) as server:
        result = fetch([(server.url("/a.jpg"), None)])[server.url("/a.jpg")]
    assert (result.error_message, result.rights, asked(server)) == ("robots.txt unreachable", None, [])


def test_a_redirect_into_a_disallowed_place_is_not_followed() -> None:
    content: dict[str, web.Response | str | bytes] = {
        "/robots.txt": web.Response(text="User-agent: *\nDisallow: /private"),
        "/a.jpg": web.Response(status=302, headers={"Location": "/private.jpg"}),
        "/private.jpg": b"x",
    }
    with pages(content) as server:
        result = fetch([(server.url("/a.jpg"), None)])[server.url("/a.jpg")]
    assert (result.rights, result.body, asked(server)) == ("robots.txt disallows", b"", ["/a.jpg"])


def test_a_page_that_opted_out_is_not_asked_for_at_all() -> None:
    with pages({"/a.jpg": b"x"}) as server:
        result = fetch([(server.url("/a.jpg"), "noai")])[server.url("/a.jpg")]
    assert (result.error_message, result.rights) == ("page opted out", "noai")
    assert server.requests == []


@pytest.mark.parametrize(
    ("headers", "rights"),
    [
        ({"X-Robots-Tag": "noai"}, "X-Robots-Tag: noai"),
        ({"X-Robots-Tag": "nofollow, NoImageAI"}, "X-Robots-Tag: noimageai"),
        ({"x-robots-tag": "wit-builder: noindex"}, "X-Robots-Tag: noindex"),
        ({"X-Robots-Tag": "otherbot: noindex, noai"}, None),
        (
            {"X-Robots-Tag": "unavailable_after: 25 Jun 2010 15:00:00 PST, noimageindex"},
            "X-Robots-Tag: noimageindex",
        ),
        ({"TDM-Reservation": "1"}, "TDM-Reservation"),
        ({"TDM-Reservation": "0"}, None),
        ({"X-Robots-Tag": "nosnippet"}, None),
    ],
)
def test_a_reservation_in_the_answer_keeps_the_bytes_out(headers: dict[str, str], rights: str | None) -> None:
    with pages({"/a.jpg": web.Response(body=b"bytes", headers=headers)}) as server:
        result = fetch([(server.url("/a.jpg"), None)])[server.url("/a.jpg")]
    assert (result.rights, result.error_message) == (rights, rights)
    assert result.body == (b"" if rights else b"bytes")


def test_an_error_page_with_a_robots_tag_is_an_error() -> None:
    with pages({"/a": web.Response(status=500, headers={"X-Robots-Tag": "noindex"})}) as server:
        result = fetch([(server.url("/a"), None)])[server.url("/a")]
    assert (result.error_message, result.rights) == ("http 500", None)


def test_a_site_that_asks_for_too_long_a_delay_is_left_alone() -> None:
    robots = web.Response(text="User-agent: *\nCrawl-delay: 3600")
    with pages({"/robots.txt": robots, "/a.jpg": b"x"}) as server:
        result = fetch([(server.url("/a.jpg"), None)])[server.url("/a.jpg")]
    assert (result.error_message, asked(server)) == ("robots.txt crawl delay too long", [])


def test_a_slow_host_does_not_hold_up_a_fast_one() -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(0.1)  # slow by nature
        return web.Response(body=b"slow")

    with site(slow) as sluggish, pages({f"/{i}": b"fast" for i in range(50)}) as quick:
        requests: list[tuple[str, str | None]] = [(sluggish.url(f"/{i}"), None) for i in range(3)]
        requests += [(quick.url(f"/{i}"), None) for i in range(50)]
        order = [result.body for result in fetch(requests).values()]
    assert order[-2:] == [b"slow", b"slow"]
    assert order.count(b"fast") == 50


def test_tdmrep_reserves_by_path_and_the_url_is_never_asked_for() -> None:
    rules = web.Response(text='[{"location": "/mine/", "tdm-reservation": 1}]')
    with pages({"/.well-known/tdmrep.json": rules, "/mine/a.jpg": b"x", "/b.jpg": b"y"}) as server:
        results = fetch([(server.url("/mine/a.jpg"), None), (server.url("/b.jpg"), None)])
    mine = results[server.url("/mine/a.jpg")]
    assert (mine.error_message, mine.rights) == ("tdmrep.json reserves", "tdmrep.json reserves")
    assert asked(server) == ["/b.jpg"]


@pytest.mark.parametrize(
    ("left_out", "opt_out", "robots", "headers", "ground"),
    [
        ("page", "noai", "", {}, "noai"),
        ("robots.txt", None, "User-agent: *\nDisallow: /", {}, "robots.txt disallows"),
        ("X-Robots-Tag", None, "", {"X-Robots-Tag": "noai"}, "X-Robots-Tag: noai"),
        ("TDM", None, "", {"TDM-Reservation": "1"}, "TDM-Reservation"),
    ],
)
def test_a_ground_that_an_option_leaves_out_is_written_down(
    left_out: str, opt_out: str | None, robots: str, headers: dict[str, str], ground: str
) -> None:
    content: dict[str, web.Response | str | bytes] = {
        "/robots.txt": web.Response(text=robots),
        "/a.jpg": web.Response(body=b"x", headers=headers),
    }
    honour = tuple(word for word in GROUNDS if word != left_out)
    with pages(content) as server:
        url = server.url("/a.jpg")
        narrow = fetch([(url, opt_out)], RightsOptions(honour=honour))[url]
        usual = fetch([(url, opt_out)])[url]
    assert (narrow.status, narrow.rights, narrow.rights_set_aside) == (Status.SUCCESS, None, ground)
    assert (usual.status, usual.rights, usual.rights_set_aside) == (Status.FAILED_TO_DOWNLOAD, ground, None)


def test_directives_that_refuse_can_be_more_or_fewer() -> None:
    with pages({"/a.jpg": web.Response(body=b"x", headers={"X-Robots-Tag": "NoSnippet"})}) as server:
        url = server.url("/a.jpg")
        wide = fetch([(url, None)], RightsOptions(refusing_directives=("nosnippet",)))[url]
    assert wide.rights == "X-Robots-Tag: nosnippet"


def test_a_silent_host_is_given_up() -> None:
    port = unused_port()
    results = fetch(
        [(f"http://127.0.0.1:{port}/{n}", None) for n in range(6)], RightsOptions(honour=()), give_up_after=3
    )
    messages = [result.error_message for result in results.values()]
    assert messages == ["connect_failed"] * 3 + ["host_unavailable"] * 3


def test_when_the_time_is_up_the_rest_waits_in_its_order() -> None:
    with pages({f"/{n}": b"x" for n in range(6)}) as server:
        requests: list[tuple[str, str | None]] = [(server.url(f"/{n}"), None) for n in range(6)]
        results = fetch(requests, item_seconds=0)
    assert list(results) == [server.url("/0")]


class _Counting:
    """A downloader that counts the bodies that exist at once."""

    def __init__(self) -> None:
        self.begun = 0

    async def get(self, url: str, *, await_room: AwaitRoom | None = None, **_: Any) -> HttpResponse:
        self.begun += 1
        assert await_room is not None
        await await_room(HttpResponse(url, url, headers=(("Content-Length", "10"),)))
        return HttpResponse(url, url, status=200, body=b"x" * 10)

    def slow_down(self, url: str, seconds: float) -> None:
        raise AssertionError("no delay was asked for")


async def _no_robots(_: str) -> HttpResponse:
    return HttpResponse("", "", status=200)


@pytest.mark.parametrize(("workers", "per_host"), [(1, 1), (4, 1), (4, 4)])
def test_bodies_that_nobody_takes_stop_the_workers(workers: int, per_host: int) -> None:
    async def run() -> None:
        downloader = _Counting()
        robots = RobotsPolicy(_no_robots, "wit-builder")
        options = FetchOptions(workers=workers, workers_per_host=per_host, max_bytes_in_flight=30)
        requests = [(f"http://h{i % 10}/{i}", None) for i in range(100)]
        taken = 0
        async for _ in fetch_images(requests, downloader, robots, options):
            taken += 1
            for _ in range(20):
                await asyncio.sleep(0)
            assert downloader.begun - taken <= workers + 30 // 10
        assert taken == 100

    asyncio.run(run())


def test_leaving_early_ends_the_workers() -> None:
    async def run() -> None:
        robots = RobotsPolicy(_no_robots, "wit-builder")
        results = fetch_images([(f"http://h/{i}", None) for i in range(100)], _Counting(), robots)
        assert (await anext(results)).status is Status.SUCCESS
        await results.aclose()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


def test_a_fault_of_the_program_is_raised() -> None:
    class Broken(_Counting):
        async def get(self, url: str, **_: Any) -> HttpResponse:
            raise ZeroDivisionError

    async def run() -> None:
        robots = RobotsPolicy(_no_robots, "wit-builder")
        async for _ in fetch_images([("http://h/", None)] * 5, Broken(), robots):
            pass

    with pytest.raises(ZeroDivisionError):
        asyncio.run(run())


def test_nothing_to_do() -> None:
    assert fetch([]) == {}


def test_an_option_out_of_range_is_named() -> None:
    with pytest.raises(UserError, match="workers is 0; give 1 or more"):
        FetchOptions(workers=0)
