"""The polite HTTP client: every request of the crawler and of the image fetch.

It honours a pace per host, a total time per URL, a size limit on the decoded
body, and never connects to an address that is not public. What goes wrong on
the other side is a value (`FetchError`), never an exception.
"""

import asyncio
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self

import aiohttp
from yarl import URL

from wit_builder.addresses import AGENT_TOKEN, host_key
from wit_builder.connections import EXPECTED, fault_of, public_socket
from wit_builder.errors import UserError
from wit_builder.hashing import hash_text
from wit_builder.pace import Pace, TimeLeft
from wit_builder.rates import Rates
from wit_builder.web import REDIRECTS, AwaitRoom, FetchError, HttpResponse, MayFollow, WantBody

_BUSY = frozenset({429, 503})
_ASK_AGAIN = _BUSY | {502, 504}
_PASSING = frozenset({FetchError.CONNECTION_RESET, FetchError.INCOMPLETE_BODY})
_MAX_URL = 8_000  # characters
_CHUNK = 1 << 16  # bytes
_ROBOTS = "/robots.txt"  # its beginning holds, however long it says it is: RFC 9309 2.5
_FIRST_PAUSE = 0.5  # seconds before the first retry, doubled each time


@dataclass(frozen=True, kw_only=True)
class DownloadOptions:
    """How politely and how long to ask. Checked when made."""

    user_agent: str = field(default=f"{AGENT_TOKEN}/0.1", metadata={"internal": True})
    timeout_seconds: float = field(
        default=30.0, metadata={"help": "time per URL on the wire, redirects, retries and body included"}
    )
    max_bytes: int = field(default=20_000_000, metadata={"help": "largest body, decoded, in bytes"})
    max_redirects: int = field(default=5, metadata={"help": "redirects followed per URL"})
    requests_per_second: float = field(default=1.0, metadata={"help": "per registrable domain; 0: no limit"})
    rate_rules: tuple[str, ...] = field(
        default=(), metadata={"help": "other rates for content networks: cdn.example.com=20; repeatable"}
    )
    total_requests_per_second: float = field(
        default=0.0, metadata={"help": "of all hosts together; 0: no limit", "tuning": True}
    )
    connections_per_host: int = field(
        default=2, metadata={"help": "connections open to one host and port", "tuning": True}
    )
    connections: int = field(default=256, metadata={"help": "connections open in all", "tuning": True})
    retries: int = field(default=2, metadata={"help": "after a reset, a cut body, 429, 502, 503 or 504"})
    max_retry_wait: float = field(default=30.0, metadata={"help": "longest Retry-After honoured, seconds"})
    allow_private_networks: bool = field(
        default=False, metadata={"help": "allow addresses that are not public"}
    )

    def __post_init__(self) -> None:
        for name in ("timeout_seconds", "max_bytes", "connections_per_host", "connections"):
            if getattr(self, name) <= 0:
                raise UserError(f"{name} is {getattr(self, name)}; give a number above 0")
        for name in (
            "max_redirects",
            "requests_per_second",
            "total_requests_per_second",
            "retries",
            "max_retry_wait",
        ):
            if getattr(self, name) < 0:
                raise UserError(f"{name} is {getattr(self, name)}; give 0 or more")
        self.rates()

    def rates(self) -> Rates:
        """Give who is asked how often.

        Raises:
            UserError: a rule cannot be read.
        """
        return Rates(self.requests_per_second, self.rate_rules)


class _Answer(aiohttp.ClientResponse):
    """Remembers who answered; aiohttp lets go of the connection with the last byte."""

    ip = ""

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        peer = connection.transport and connection.transport.get_extra_info("peername")
        self.ip = peer[0] if peer else ""
        return await super().start(connection)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a caller of `Downloader.get` asks for, over all hops and attempts."""

    headers: Mapping[str, str]
    follow: bool
    may_follow: MayFollow | None
    want_body: WantBody | None
    await_room: AwaitRoom | None
    time_left: TimeLeft


class Downloader:
    """An HTTP client with one session; use it as an async context manager.

    Args:
        options: limits and pace.
    """

    def __init__(self, options: DownloadOptions) -> None:
        self.options = options
        self._rates = options.rates()
        self._paces: dict[str, Pace] = {}
        self._slots: dict[str, asyncio.Semaphore] = {}
        total_rate = options.total_requests_per_second
        self._everyone = Pace(1 / total_rate if total_rate else 0.0)
        self._connections = asyncio.Semaphore(options.connections)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        guard = None if self.options.allow_private_networks else public_socket
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, socket_factory=guard),
            response_class=_Answer,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),  # one budget over all hops: TimeLeft
            auto_decompress=False,  # the limit is on the decoded size: _read
            headers={"User-Agent": self.options.user_agent, "Accept": "*/*", "Accept-Encoding": "gzip"},
            max_line_size=_MAX_URL,
            max_field_size=_MAX_URL,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    def slow_down(self, url: str, seconds: float) -> None:
        """Keep at least this many seconds between requests to a URL's site (Crawl-delay)."""
        self._pace(url).slow_down(seconds)

    def _pace(self, url: str) -> Pace:
        group = self._rates.group_of(url)
        if group not in self._paces:
            rate = self._rates.rate_of(group)
            self._paces[group] = Pace(1 / rate if rate else 0.0)
        return self._paces[group]

    def _slot(self, url: str) -> asyncio.Semaphore:
        key = host_key(url)
        if key not in self._slots:
            self._slots[key] = asyncio.Semaphore(self.options.connections_per_host)
        return self._slots[key]

    async def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        follow: bool = True,
        may_follow: MayFollow | None = None,
        want_body: WantBody | None = None,
        await_room: AwaitRoom | None = None,
    ) -> HttpResponse:
        """Download one URL; remote failures come back as `error`.

        Args:
            url: absolute http or https URL.
            headers: sent besides the usual ones.
            follow: follow redirects; otherwise a redirect is an answer like any other.
            may_follow: asked before each redirect is followed.
            want_body: asked when the head has come; without it every body is wanted.
            await_room: awaited before a body is read, while the URL's time stands still.

        Raises:
            RuntimeError: the client is used outside its `async with`.
        """
        time_left = TimeLeft(self.options.timeout_seconds)
        wish = _Wish(headers or {}, follow, may_follow, want_body, await_room, time_left)
        for attempt in range(self.options.retries + 1):
            response = await self._follow(url, wish)
            pause = self._pause(response, attempt)
            if pause is None:
                break
            self._pace(response.final_url).hold(pause)
        return response

    def _note(self, response: HttpResponse) -> None:
        """Ask a busy site more rarely, and one that answers as often as usual in the end."""
        pace = self._pace(response.final_url)
        if response.status in _BUSY:
            pace.back_off()
        elif response.error is None:
            pace.ease()

    def _pause(self, response: HttpResponse, attempt: int) -> float | None:
        """Give the seconds to wait before the next attempt; None if there is to be none."""
        again = response.error in _PASSING or response.status in _ASK_AGAIN
        if not again or attempt >= self.options.retries:
            return None
        jitter = hash_text(response.url, seed=attempt) / 2**64  # [0, 1), the same in every run
        pause = _FIRST_PAUSE * 2**attempt * (1 + jitter)
        asked = response.retry_after
        return None if asked > self.options.max_retry_wait else max(pause, asked)

    async def _follow(self, url: str, wish: _Wish) -> HttpResponse:
        current = url
        for _ in range(self.options.max_redirects + 1):
            response = await self._ask(current, wish)
            if current != url:
                response = replace(response, url=url)
            location = response.header("Location")
            if not wish.follow or not location or response.status not in REDIRECTS:
                return response
            try:
                current = str(URL(response.final_url).join(URL(location)).with_fragment(None))
            except ValueError:
                return replace(response, error=FetchError.BAD_RESPONSE)
            refusal = await wish.may_follow(current) if wish.may_follow else None
            if refusal is not None:
                return replace(response, error=FetchError.REDIRECT_REFUSED, refusal=refusal, body=b"")
        return replace(response, error=FetchError.TOO_MANY_REDIRECTS, body=b"")

    async def _ask(self, url: str, wish: _Wish) -> HttpResponse:
        if self._session is None:
            raise RuntimeError("Downloader is used outside its `async with`")
        target = _target(url)
        if isinstance(target, FetchError):
            return HttpResponse(url, url, error=target)
        async with self._slot(url):
            await self._pace(url).turn()
            async with self._connections:
                await self._everyone.turn()
                response = await self._exchange(self._session, target, url, wish)
        self._note(response)
        return response

    async def _exchange(
        self, session: aiohttp.ClientSession, target: URL, url: str, wish: _Wish
    ) -> HttpResponse:
        """Ask once and read the answer."""
        clock = asyncio.get_running_loop().time
        began, body, error = clock(), bytearray(), None
        answer = HttpResponse(url, str(target), asked_at=datetime.now(UTC))
        try:
            async with wish.time_left.running():
                response = await session.get(target, headers=wish.headers, allow_redirects=False)
            async with response:
                answer = _with_head(answer, response)
                if wish.want_body is None or wish.want_body(answer):
                    if wish.await_room:
                        await wish.await_room(answer)
                    async with wish.time_left.running():
                        error = await self._read(response, body)
        except EXPECTED as fault:
            return replace(answer, body=bytes(body), error=fault_of(fault), seconds=clock() - began)
        if error is None and not 200 <= response.status < 300:
            error = FetchError.HTTP_STATUS
        return replace(answer, body=bytes(body), error=error, seconds=clock() - began)

    async def _read(self, response: aiohttp.ClientResponse, body: bytearray) -> FetchError | None:
        """Read up to the limit into a body, undoing gzip as it comes."""
        limit = self.options.max_bytes
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding in ("br", "zstd", "compress", "deflate"):  # not asked for
            return FetchError.BAD_RESPONSE
        if (response.content_length or 0) > limit and response.url.path != _ROBOTS:
            return FetchError.TOO_LARGE
        gunzip = zlib.decompressobj(zlib.MAX_WBITS | 16) if encoding in ("gzip", "x-gzip") else None
        async for chunk in response.content.iter_chunked(_CHUNK):
            # one byte over the limit is enough to know
            body += gunzip.decompress(chunk, limit + 1 - len(body)) if gunzip else chunk
            if len(body) > limit:
                response.close()
                del body[limit:]
                return FetchError.TOO_LARGE
            if gunzip and gunzip.eof:  # what follows is ignored, as browsers do
                break
        whole = gunzip is None or gunzip.eof or not body
        return None if whole else FetchError.INCOMPLETE_BODY


def _target(url: str) -> URL | FetchError:
    try:
        target = URL(url)
        if target.scheme not in ("http", "https"):
            return FetchError.UNSUPPORTED_SCHEME if target.scheme else FetchError.BAD_URL
        if not target.raw_host or len(url) > _MAX_URL:
            return FetchError.BAD_URL
        return target.with_fragment(None).with_user(None)  # a password in a link is not ours to use
    except ValueError:
        return FetchError.BAD_URL


def _with_head(answer: HttpResponse, response: aiohttp.ClientResponse) -> HttpResponse:
    return replace(
        answer,
        status=response.status,
        ip=getattr(response, "ip", ""),
        reason=response.reason or "",
        headers=_pairs(response.headers),
        request_headers=_pairs(response.request_info.headers),
    )


def _pairs(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    # aiohttp keeps bytes that are not UTF-8 as surrogates, which nothing downstream can write
    return tuple(
        (name, value.encode(errors="surrogateescape").decode(errors="replace"))
        for name, value in headers.items()
    )
