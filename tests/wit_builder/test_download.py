import asyncio
import gzip
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.servers import RawHandler, pages, raw, reset, site, unused_port
from wit_builder.addresses import refused_address
from wit_builder.download import Downloader, DownloadOptions
from wit_builder.errors import UserError
from wit_builder.web import FetchError, HttpResponse, Refusal, error_message

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def options(**changes: Any) -> DownloadOptions:
    usual: dict[str, Any] = {
        "requests_per_second": 0.0,
        "allow_private_networks": True,
        "timeout_seconds": 5.0,
        "max_bytes": 100_000,
        "retries": 0,
    }
    return DownloadOptions(**{**usual, **changes})


def get(url: str, changes: dict[str, Any] | None = None, **wish: Any) -> HttpResponse:
    async def run() -> HttpResponse:
        async with Downloader(options(**(changes or {}))) as downloader:
            return await downloader.get(url, **wish)

    return asyncio.run(run())


def get_raw(handler: RawHandler, **changes: Any) -> HttpResponse:
    with raw(handler) as server:
        return get(server.url(), changes)


def sends(data: bytes) -> RawHandler:
    return lambda connection: connection.sendall(data)


def sends_forever(head: bytes, chunk: bytes) -> RawHandler:
    def handler(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(chunk)

    return handler


def test_a_body_comes_back_with_its_head() -> None:
    with pages({"/a?b=1": web.Response(body=b"bytes", headers={"X-Two": "é"})}) as server:
        response = get(server.url("/a?b=1#fragment"))
    assert (response.status, response.body, response.error) == (200, b"bytes", None)
    assert response.final_url == server.url("/a?b=1")
    assert response.header("x-two") == "é"
    assert error_message(response) is None
    assert server.headers[0]["User-Agent"] == "wit-builder/0.1"
    assert dict(response.request_headers)["User-Agent"] == "wit-builder/0.1"


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("", FetchError.BAD_URL),
        ("/relative", FetchError.BAD_URL),
        ("http://", FetchError.BAD_URL),
        ("http://[", FetchError.BAD_URL),
        ("http://h:99999/", FetchError.BAD_URL),
        ("http://" + "a" * 70 + ".example/", FetchError.BAD_URL),
        ("http://h/" + "a" * 9000, FetchError.BAD_URL),
        ("ftp://example.org/", FetchError.UNSUPPORTED_SCHEME),
        ("data:image/png;base64,AAAA", FetchError.UNSUPPORTED_SCHEME),
        ("file:///etc/passwd", FetchError.UNSUPPORTED_SCHEME),
        ("http://name.invalid/", FetchError.DNS_FAILED),
        ("http://2130706433/", FetchError.BAD_URL),
        ("http://127.1/", FetchError.BAD_URL),
    ],
)
def test_urls_that_lead_nowhere_are_values(url: str, error: FetchError) -> None:
    assert get(url).error == error


def test_nothing_listens() -> None:
    assert get(f"http://127.0.0.1:{unused_port()}/").error == FetchError.CONNECT_FAILED


def test_plain_text_where_tls_is_expected() -> None:
    with raw(sends(b"hello")) as server:
        assert get(server.url().replace("http", "https")).error == FetchError.TLS_FAILED


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_addresses_that_are_not_public_are_never_connected_to(host: str) -> None:
    with pages({"/": "private"}) as server:
        response = get(f"http://{host}:{server.port}/", {"allow_private_networks": False})
    assert (response.error, server.requests) == (FetchError.PRIVATE_ADDRESS, [])
    assert error_message(response) == "private_address"


def test_a_name_that_is_rebound_between_look_ups_is_refused_at_the_connection() -> None:
    class Rebinding(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            return [
                ResolveResult(
                    hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0
                )
            ]

        async def close(self) -> None:
            pass

    async def run(url: str) -> HttpResponse:
        async with Downloader(options(allow_private_networks=False)) as downloader:
            downloader._session._connector._resolver = Rebinding()  # type: ignore[union-attr]
            return await downloader.get(url)

    with pages({"/": "private"}) as server:
        response = asyncio.run(run(f"http://example.org:{server.port}/"))
    assert (response.error, server.requests) == (FetchError.PRIVATE_ADDRESS, [])


def test_redirects_are_followed_and_asked_about() -> None:
    asked = []

    async def may_follow(url: str) -> None:
        asked.append(url)

    with pages(
        {
            "/": web.Response(status=301, headers={"Location": "b/c#x"}),
            "/b/c": web.Response(status=302, headers={"Location": "//127.0.0.1:PORT/d"}),
        }
    ) as server:
        response = get(server.url(), may_follow=may_follow)
    assert asked[0] == server.url("/b/c")
    assert response.error == FetchError.BAD_RESPONSE  # port "PORT"


def test_a_redirect_can_be_refused() -> None:
    async def never(_: str) -> Refusal:
        return Refusal.ROBOTS_DISALLOWS

    with pages({"/": web.Response(status=302, headers={"Location": "/secret"})}) as server:
        response = get(server.url(), may_follow=never)
    assert (response.error, response.refusal) == (FetchError.REDIRECT_REFUSED, Refusal.ROBOTS_DISALLOWS)
    assert server.requests == ["/"]


def test_a_redirect_to_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(  # this machine stands for a public server
        "wit_builder.connections.refused_address",
        lambda ip: None if ip == "127.0.0.1" else refused_address(ip),
    )
    metadata = "http://169.254.169.254/latest/meta-data/"
    with pages({"/": web.Response(status=302, headers={"Location": metadata})}) as server:
        response = get(server.url(), {"allow_private_networks": False})
    assert (response.error, response.final_url) == (FetchError.PRIVATE_ADDRESS, metadata)


def test_a_redirect_to_another_scheme_is_refused() -> None:
    with pages({"/": web.Response(status=302, headers={"Location": "file:///etc/passwd"})}) as server:
        assert get(server.url()).error == FetchError.UNSUPPORTED_SCHEME


def test_a_redirect_loop_ends() -> None:
    with pages({"/": web.Response(status=302, headers={"Location": "/"})}) as server:
        assert get(server.url()).error == FetchError.TOO_MANY_REDIRECTS
    assert len(server.requests) == 6


def test_a_redirect_that_is_not_followed_is_an_answer() -> None:
    with pages({"/": web.Response(status=302, headers={"Location": "/b"})}) as server:
        response = get(server.url(), follow=False)
    assert (response.status, error_message(response)) == (302, "http 302")


@pytest.mark.parametrize("status", [304, 403, 404, 410, 500])
def test_a_status_is_its_own_word(status: int) -> None:
    with pages({"/": web.Response(status=status)}) as server:
        assert error_message(get(server.url())) == f"http {status}"


def test_an_endless_body_is_cut() -> None:
    endless = sends_forever(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536)
    response = get_raw(endless)
    assert (response.error, len(response.body)) == (FetchError.TOO_LARGE, 100_000)


def test_a_declared_length_over_the_limit_is_not_read() -> None:
    response = get_raw(sends(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\nabc"))
    assert (response.error, response.body) == (FetchError.TOO_LARGE, b"")


def test_a_robots_txt_is_read_up_to_the_limit_whatever_it_declares() -> None:
    long = sends_forever(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", b"x" * 65536)
    with raw(long) as server:
        response = get(server.url("/robots.txt"))
    assert (response.error, len(response.body)) == (FetchError.TOO_LARGE, 100_000)


def test_a_gzip_bomb_is_cut_at_the_decoded_size() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    with pages({"/": web.Response(body=bomb, headers={"Content-Encoding": "gzip"})}) as server:
        response = get(server.url())
    assert (response.error, response.body) == (FetchError.TOO_LARGE, b"\0" * 100_000)


def test_gzip_is_undone() -> None:
    body = gzip.compress(b"hello" * 1000)
    with pages({"/": web.Response(body=body, headers={"Content-Encoding": "gzip"})}) as server:
        assert get(server.url()).body == b"hello" * 1000


@pytest.mark.parametrize(
    ("encoding", "body", "error"),
    [
        ("gzip", gzip.compress(b"x" * 1000)[:-9], FetchError.INCOMPLETE_BODY),
        ("gzip", b"not gzip", FetchError.BAD_RESPONSE),
        ("br", b"x", FetchError.BAD_RESPONSE),
        ("identity", b"x", None),
    ],
)
def test_broken_encodings_are_values(encoding: str, body: bytes, error: FetchError | None) -> None:
    with pages({"/": web.Response(body=body, headers={"Content-Encoding": encoding})}) as server:
        assert get(server.url()).error == error


def test_garbage_after_gzip_is_not_kept() -> None:
    body = gzip.compress(b"page") + b"x" * 50_000
    with pages({"/": web.Response(body=body, headers={"Content-Encoding": "gzip"})}) as server:
        assert get(server.url()).body == b"page"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", FetchError.CONNECTION_RESET),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", FetchError.INCOMPLETE_BODY),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc", FetchError.BAD_RESPONSE),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", FetchError.BAD_RESPONSE),
        (b"SSH-2.0-OpenSSH\r\n\r\n", FetchError.BAD_RESPONSE),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", FetchError.BAD_RESPONSE),
        (b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 10_000 + b"\r\n", FetchError.BAD_RESPONSE),
    ],
)
def test_broken_answers_are_values(answer: bytes, error: FetchError) -> None:
    assert get_raw(sends(answer)).error == error


def test_a_reset_is_a_value() -> None:
    assert get_raw(reset).error == FetchError.CONNECTION_RESET


def test_a_slow_drip_ends_at_the_total_time() -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)  # slow by nature

    started = time.monotonic()
    response = get_raw(drip, timeout_seconds=0.4)
    assert (response.error, response.status) == (FetchError.TIMEOUT, 200)
    assert time.monotonic() - started < 2


def test_slow_redirects_share_one_time() -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(0.2)  # slow by nature
        return web.Response(status=302, headers={"Location": "/"})

    with site(slow) as server:
        assert get(server.url(), {"timeout_seconds": 0.5, "max_redirects": 50}).error == FetchError.TIMEOUT
    assert len(server.requests) <= 3


@pytest.mark.parametrize(("retry_after", "requests"), [("0", 3), ("", 3), ("9999", 1)])
def test_busy_servers_are_asked_again_unless_they_ask_for_long(
    retry_after: str, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wit_builder.download._FIRST_PAUSE", 0.01)
    busy = web.Response(status=503, headers={"Retry-After": retry_after})
    with pages({"/": busy}) as server:
        assert error_message(get(server.url(), {"retries": 2})) == "http 503"
    assert len(server.requests) == requests


def test_a_fault_that_passes_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wit_builder.download._FIRST_PAUSE", 0.01)
    tries = []

    async def flaky(_: web.Request) -> web.Response:
        tries.append(1)
        return web.Response(status=429 if len(tries) < 3 else 200, text="at last")

    with site(flaky) as server:
        assert get(server.url(), {"retries": 2}).body == b"at last"


def test_not_found_is_not_asked_again() -> None:
    with pages({}) as server:
        get(server.url(), {"retries": 3})
    assert len(server.requests) == 1


def test_a_host_is_asked_at_its_pace() -> None:
    async def run(url: str) -> list[HttpResponse]:
        async with Downloader(options(requests_per_second=20.0, connections_per_host=8)) as downloader:
            return await asyncio.gather(*(downloader.get(url) for _ in range(5)))

    with pages({"/": "page"}) as server:
        started = time.monotonic()
        assert all(response.error is None for response in asyncio.run(run(server.url())))
    assert time.monotonic() - started >= 4 * 0.05


def test_all_hosts_together_are_asked_at_a_pace() -> None:
    async def run(*urls: str) -> None:
        async with Downloader(options(total_requests_per_second=20.0)) as downloader:
            await asyncio.gather(*(downloader.get(url) for url in urls))

    with pages({"/": "page"}) as one, pages({"/": "page"}) as two:
        started = time.monotonic()
        asyncio.run(run(one.url(), two.url(), one.url(), two.url(), two.url()))
    assert time.monotonic() - started >= 4 * 0.05


def test_a_crawl_delay_slows_one_host_only() -> None:
    async def run(slow: str, fast: str) -> float:
        async with Downloader(options()) as downloader:
            downloader.slow_down(slow, 0.2)
            await downloader.get(slow)
            started = time.monotonic()
            await downloader.get(fast)
            await downloader.get(fast)
            between = time.monotonic() - started
            await downloader.get(slow)
            assert time.monotonic() - started >= 0.15
            return between

    with pages({"/": "page"}) as slow, pages({"/": "page"}) as fast:
        assert asyncio.run(run(slow.url(), fast.url())) < 0.15


def test_connections_per_host_are_bounded() -> None:
    under_way, most = [0], [0]

    async def count(_: web.Request) -> web.Response:
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])
        await asyncio.sleep(0.02)  # long enough to overlap
        under_way[0] -= 1
        return web.Response()

    async def run(url: str) -> None:
        async with Downloader(options(connections_per_host=3)) as downloader:
            await asyncio.gather(*(downloader.get(url) for _ in range(12)))

    with site(count) as server:
        asyncio.run(run(server.url()))
    assert most == [3]


def test_a_body_that_is_not_wanted_is_not_downloaded() -> None:
    endless = sends_forever(b"HTTP/1.1 200 OK\r\nX-Robots-Tag: noai\r\n\r\n", b"x" * 65536)
    with raw(endless) as server:
        response = get(server.url(), want_body=lambda head: head.header("X-Robots-Tag") != "noai")
    assert (response.status, response.body, response.error) == (200, b"", None)


def test_no_cookie_is_kept_and_no_password_sent() -> None:
    with pages(
        {
            "/": web.Response(status=302, headers={"Location": "/b", "Set-Cookie": "a=b"}),
            "/b": "page",
        }
    ) as server:
        get(server.url().replace("http://", "http://user:secret@"))
    assert not any({"Cookie", "Authorization"} & set(headers) for headers in server.headers)


@pytest.mark.parametrize(("name", "value"), [("timeout_seconds", 0), ("connections", 0), ("retries", -1)])
def test_an_option_out_of_range_is_named(name: str, value: int) -> None:
    with pytest.raises(UserError, match=f"{name} is {value}; give"):
        options(**{name: value})
