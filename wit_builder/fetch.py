"""Fetch images politely, site by site, and say of each URL what came of it.

Nothing is decoded here. A URL that the site owner keeps back is never asked for,
and where the answer's head reserves the rights its body is not downloaded.
"""

import asyncio
import math
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from wit_builder.addresses import AGENT_TOKEN, host_key
from wit_builder.errors import UserError
from wit_builder.pace import Room
from wit_builder.rates import Rates
from wit_builder.records import Status
from wit_builder.rights import RightsOptions, refusal_in_robots_tags, reserves_tdm
from wit_builder.web import AwaitRoom, FetchError, HttpClient, HttpResponse, Refusal, Robots, error_message

_ACCEPT = {"Accept": "image/jpeg,image/png,image/webp,image/gif;q=0.9,*/*;q=0.1"}  # what `images` decodes
_UNTOLD_SIZE = 8_000_000  # bytes to make room for where the head does not say
_SILENCE = frozenset(
    {FetchError.TIMEOUT, FetchError.DNS_FAILED, FetchError.CONNECT_FAILED, FetchError.CONNECTION_RESET}
)
_GROUND_OF = {
    Refusal.ROBOTS_DISALLOWS: "robots.txt",
    Refusal.ROBOTS_DELAY: "robots.txt",
    Refusal.ROBOTS_UNREACHABLE: "robots.txt",
    Refusal.TDM_RESERVED: "TDM",
}


@dataclass(frozen=True, kw_only=True)
class FetchOptions:
    """How much is under way at once, and when it is enough. Checked when made."""

    workers: int = field(
        default=64, metadata={"help": "URLs under way at once, over all hosts", "tuning": True}
    )
    workers_per_host: int = field(
        default=1, metadata={"help": "URLs under way at once on one site, or its rate", "tuning": True}
    )
    max_bytes_in_flight: int = field(
        default=128_000_000, metadata={"help": "bytes of bodies held at once", "tuning": True}
    )
    give_up_after: int = field(
        default=8, metadata={"help": "a host silent so many times in a row is asked no more in this round"}
    )
    item_seconds: float = field(
        default=600.0,
        metadata={"help": "a work item begins no URL after so long: the rest waits for the next round"},
    )

    def __post_init__(self) -> None:
        for name in ("workers", "workers_per_host", "max_bytes_in_flight", "give_up_after"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}; give 1 or more")
        if self.item_seconds < 0:
            raise UserError(f"item_seconds is {self.item_seconds}; give 0 or more")


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
    rights_set_aside: str | None = None
    """Ground that an option told us not to honour; None if there is none."""


Request = tuple[str, str | None]
"""A URL, and the ground on which its page opts out or None."""


async def fetch_images(
    requests: Iterable[Request],
    client: HttpClient,
    robots: Robots,
    options: FetchOptions | None = None,
    rights: RightsOptions | None = None,
    rates: Rates | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncGenerator[FetchedBytes, None]:
    """Fetch each URL once and yield the results as they complete.

    The URLs of a site are begun in the order given. When the time of the work item is
    up no more are begun: a URL without a result is one for the next round.

    Args:
        requests: all of one work item: they are held in memory and regrouped by site.
        client: paces the sites.
        robots: asked for every URL and every redirect.
        options: how much is under way at once.
        rights: which refusals are honoured.
        rates: what is one site; decides nothing but how many of its URLs are under way.
        now: the time, for `fetched_at`.

    Raises:
        Exception: only what `client` or `robots` raise: a fault of the program.
    """
    options = options or FetchOptions()
    fetcher = _Fetcher(client, robots, options, rights or RightsOptions(), now)
    sites = _by_site(requests, options, rates or Rates(0.0))
    workers = asyncio.gather(*(fetcher.work(sites) for _ in range(min(options.workers, len(sites)))))
    workers.add_done_callback(lambda _: fetcher.results.put_nowait((None, 0)))
    try:
        while (taken := await fetcher.results.get())[0] is not None:
            yield taken[0]
            fetcher.room.give_back(taken[1])
        await workers  # raises what a worker raised
    finally:
        workers.cancel()
        await asyncio.gather(workers, return_exceptions=True)


def _by_site(requests: Iterable[Request], options: FetchOptions, rates: Rates) -> deque[deque[Request]]:
    """Queue the URLs of each site; the longest queue first, as it takes longest.

    A queue stands there as many times as it may have workers.
    """
    queues: dict[str, deque[Request]] = {}
    for url, opt_out in requests:
        queues.setdefault(rates.group_of(url), deque()).append((url, opt_out))
    by_length = sorted(queues.items(), key=lambda item: len(item[1]), reverse=True)
    return deque(
        queue
        for group, queue in by_length
        for _ in range(min(len(queue), max(options.workers_per_host, math.ceil(rates.rate_of(group)))))
    )


class _Fetcher:
    """What the workers of one work item share."""

    def __init__(
        self,
        client: HttpClient,
        robots: Robots,
        options: FetchOptions,
        rights: RightsOptions,
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._robots = robots
        self._options = options
        self._rights = rights
        self._now = now
        self._silent: Counter[str] = Counter()
        self._until = asyncio.get_running_loop().time() + options.item_seconds
        self.room = Room(options.max_bytes_in_flight)
        self.results: asyncio.Queue[tuple[FetchedBytes | None, int]] = asyncio.Queue()
        """Results and the room that their bodies take."""

    async def work(self, sites: deque[deque[Request]]) -> None:
        """Fetch site after site until none is left or the time is up; one URL at least."""
        clock = asyncio.get_running_loop().time
        while sites:
            site = sites.popleft()
            while site:
                url, opt_out = site.popleft()
                await self._fetch(url, opt_out)
                if clock() > self._until:
                    return

    async def _fetch(self, url: str, opt_out: str | None) -> None:
        held = 0

        async def await_room(head: HttpResponse) -> None:
            nonlocal held
            self.room.give_back(held)
            held = 0
            held = await self.room.take(_expected_size(head, self._options.max_bytes_in_flight))

        try:
            result = await self._outcome(url, opt_out, await_room)
        except BaseException:
            self.room.give_back(held)
            raise
        self.results.put_nowait((result, held))

    async def _outcome(self, url: str, opt_out: str | None, await_room: AwaitRoom) -> FetchedBytes:
        set_aside: list[str] = []
        if opt_out is not None and self._honours("page", opt_out, set_aside):
            return _failed(url, Refusal.PAGE_OPTED_OUT, opt_out)
        host = host_key(url)
        if self._silent[host] >= self._options.give_up_after:
            return _failed(url, FetchError.HOST_UNAVAILABLE, None)

        no_site: FetchError | None = None

        async def refusal(target: str) -> Refusal | None:
            nonlocal no_site
            decision = await self._robots.allows(target)
            no_site = decision.fault
            if decision.crawl_delay is not None and decision.ground is None:
                self._client.slow_down(target, decision.crawl_delay)
            ground = decision.ground
            return ground if ground and self._honours(_GROUND_OF[ground], ground, set_aside) else None

        refused = await refusal(url)
        if refused is not None:
            return _failed(url, no_site, None) if no_site else _refused(url, refused)
        response = await self._client.get(
            url,
            headers=_ACCEPT,
            may_follow=refusal,
            want_body=lambda head: self._reservation(head, set_aside) is None,
            await_room=await_room,
        )
        self._silent[host] = self._silent[host] + 1 if response.error in _SILENCE else 0
        if response.refusal is not None:
            return _refused(url, response.refusal)
        message = error_message(response)
        if message is not None:
            return _failed(url, message, None)
        reservation = self._reservation(response, set_aside)
        if reservation is not None:
            return _failed(url, reservation, reservation)
        return FetchedBytes(
            url,
            Status.SUCCESS,
            body=response.body,
            content_type=response.header("Content-Type"),
            fetched_at=self._now(),
            rights_set_aside="; ".join(set_aside) or None,
        )

    def _honours(self, ground: str, words: str, set_aside: list[str]) -> bool:
        """Tell whether a refusal counts; one that does not is written down."""
        if ground in self._rights.honour:
            return True
        if words != Refusal.ROBOTS_UNREACHABLE and words not in set_aside:
            set_aside.append(str(words))
        return False

    def _reservation(self, response: HttpResponse, set_aside: list[str]) -> str | None:
        """Name the header by which a site keeps an image from being used, if one counts."""
        directive = refusal_in_robots_tags(
            response.header_lines("X-Robots-Tag"), AGENT_TOKEN, self._rights.refusing_directives
        )
        if directive is not None and self._honours("X-Robots-Tag", f"X-Robots-Tag: {directive}", set_aside):
            return f"X-Robots-Tag: {directive}"
        reserved = any(map(reserves_tdm, response.header_lines("TDM-Reservation")))
        if reserved and self._honours("TDM", "TDM-Reservation", set_aside):
            return "TDM-Reservation"
        return None


def _expected_size(head: HttpResponse, most: int) -> int:
    """Give the bytes to make room for: what the head says, or 8 MB if it does not."""
    length = head.header("Content-Length")
    if head.header("Content-Encoding") or not (length.isascii() and length.isdecimal()):
        return min(_UNTOLD_SIZE, most)
    return max(1, int(length))


def _refused(url: str, ground: Refusal) -> FetchedBytes:
    # a robots.txt that cannot be had stops us, but is no word of the owner's
    return _failed(url, ground, None if ground is Refusal.ROBOTS_UNREACHABLE else ground)


def _failed(url: str, message: str, rights: str | None) -> FetchedBytes:
    return FetchedBytes(url, Status.FAILED_TO_DOWNLOAD, str(message), rights and str(rights))
