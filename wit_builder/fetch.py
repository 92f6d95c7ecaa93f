"""Fetch images politely, host by host, and say of each URL what came of it.

Nothing is decoded here. A URL that the site owner keeps back is never asked for,
and where the answer's head reserves the rights its body is not downloaded.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from wit_builder.addresses import AGENT_TOKEN, host_key
from wit_builder.errors import UserError
from wit_builder.records import Status
from wit_builder.rights import refusal_in_robots_tags, reserves_tdm
from wit_builder.web import HttpClient, HttpResponse, Refusal, Robots, error_message

_ACCEPT = {"Accept": "image/jpeg,image/png,image/webp,image/gif;q=0.9,*/*;q=0.1"}  # what `images` decodes


@dataclass(frozen=True, kw_only=True)
class FetchOptions:
    """How much is under way at once.

    Memory for bodies is at most (workers + 1) times the client's max_bytes: a
    worker holds one body until it has been taken.
    """

    workers: int = field(
        default=64, metadata={"help": "URLs under way at once, over all hosts", "tuning": True}
    )
    workers_per_host: int = field(
        default=1, metadata={"help": "URLs under way at once on one host and port", "tuning": True}
    )

    def __post_init__(self) -> None:
        for name in ("workers", "workers_per_host"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}; give 1 or more")


@dataclass(frozen=True, slots=True)
class FetchedBytes:
    """What came of one image URL."""

    url: str
    status: Status
    error_message: str | None = None
    rights: str | None = None
    """Ground on which the site refuses use of the image; None if it does not."""
    body: bytes = b""
    content_type: str = ""
    fetched_at: datetime | None = None
    """When the answer was complete; None unless success."""


async def fetch_images(
    requests: Iterable[tuple[str, str | None]],
    client: HttpClient,
    robots: Robots,
    options: FetchOptions | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncIterator[FetchedBytes]:
    """Fetch each URL once and yield the results as they complete.

    Args:
        requests: (url, the ground on which its page opts out or None), all of one work
            item: they are held in memory and regrouped by host.
        client: paces the hosts.
        robots: asked for every URL and every redirect.
        options: how much is under way at once.
        now: the time, for `fetched_at`.

    Raises:
        Exception: only what `client` or `robots` raise: a fault of the program.
    """
    options = options or FetchOptions()
    hosts = _by_host(requests, options.workers_per_host)
    results: asyncio.Queue[FetchedBytes | None] = asyncio.Queue()
    room = asyncio.Semaphore(1)

    async def work() -> None:
        while hosts:
            queue = hosts.popleft()
            while queue:
                url, opt_out = queue.popleft()
                result = await _fetch(url, opt_out, client, robots)
                if result.status is Status.SUCCESS:
                    result = replace(result, fetched_at=now())
                await room.acquire()
                results.put_nowait(result)

    workers = asyncio.gather(*(work() for _ in range(min(options.workers, len(hosts)))))
    workers.add_done_callback(lambda _: results.put_nowait(None))
    try:
        while (result := await results.get()) is not None:
            room.release()
            yield result
        await workers  # raises what a worker raised
    finally:
        workers.cancel()
        await asyncio.gather(workers, return_exceptions=True)


def _by_host(requests: Iterable[tuple[str, str | None]], copies: int) -> deque[deque[tuple[str, str | None]]]:
    """Queue the URLs of each host; the longest queue first, as it takes longest."""
    queues: dict[str, deque[tuple[str, str | None]]] = {}
    for url, opt_out in requests:
        queues.setdefault(host_key(url), deque()).append((url, opt_out))
    by_length = sorted(queues.values(), key=len, reverse=True)
    return deque(queue for queue in by_length for _ in range(copies))


async def _fetch(url: str, opt_out: str | None, client: HttpClient, robots: Robots) -> FetchedBytes:
    if opt_out is not None:
        return _failed(url, Refusal.PAGE_OPTED_OUT, opt_out)

    async def refusal(target: str) -> Refusal | None:
        decision = await robots.allows(target)
        if decision.ground is None and decision.crawl_delay is not None:
            client.slow_down(target, decision.crawl_delay)
        return decision.ground

    refused = await refusal(url)
    if refused is not None:
        return _refused(url, refused)
    response = await client.get(
        url, headers=_ACCEPT, may_follow=refusal, want_body=lambda head: _reservation(head) is None
    )
    if response.refusal is not None:
        return _refused(url, response.refusal)
    message = error_message(response)
    if message is not None:
        return _failed(url, message, None)
    reservation = _reservation(response)
    if reservation is not None:
        return _failed(url, reservation, reservation)
    return FetchedBytes(url, Status.SUCCESS, None, None, response.body, response.header("Content-Type"))


def _refused(url: str, ground: Refusal) -> FetchedBytes:
    # a robots.txt that cannot be had stops us, but is no word of the owner's
    return _failed(url, ground, None if ground is Refusal.ROBOTS_UNREACHABLE else ground)


def _failed(url: str, message: str, rights: str | None) -> FetchedBytes:
    return FetchedBytes(url, Status.FAILED_TO_DOWNLOAD, str(message), rights and str(rights))


def _reservation(response: HttpResponse) -> str | None:
    """Name the header by which a site keeps an image from being used, if there is one."""
    directive = refusal_in_robots_tags(response.header_lines("X-Robots-Tag"), AGENT_TOKEN)
    if directive is not None:
        return f"X-Robots-Tag: {directive}"
    return "TDM-Reservation" if reserves_tdm(response.header("TDM-Reservation")) else None
