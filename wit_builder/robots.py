"""May this URL be asked for? The site's robots.txt decides (RFC 9309).

Where the standard leaves a choice the stricter one is taken: a robots.txt that
cannot be had, or whose redirects do not end, or that is answered with 429
disallows everything for now.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from protego import Protego
from yarl import URL

from wit_builder.web import NO_SITE, Decision, Download, FetchError, HttpResponse, Refusal

_MAX_BYTES = 500 * 1024  # RFC 9309 2.5: the parsing limit is at least 500 KiB
_LIFETIME = 24 * 3600.0  # seconds, RFC 9309 2.4
_LIFETIME_OF_FAULTS = 600.0  # seconds until an unreachable robots.txt is asked for again
_MAX_SITES = 10_000
"""Sites remembered; one large robots.txt takes a few MB when parsed."""


@dataclass(slots=True)
class _Site:
    rules: Protego | None = None
    """None: unreachable."""
    fault: FetchError | None = None
    """Why it is unreachable, if the whole site is."""
    expires_at: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class RobotsPolicy:
    """The robots.txt decisions for one user agent, one file a scheme, host and port.

    Args:
        download: gets a robots.txt, following five redirects (RFC 9309 2.3.1.2); called once per
            site and lifetime.
        user_agent: the product token, or a User-Agent that begins with it.
        max_crawl_delay: a site that asks for more seconds between requests is left alone.
        clock: monotonic time in seconds.
    """

    def __init__(
        self,
        download: Download,
        user_agent: str,
        *,
        max_crawl_delay: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._download = download
        self._token = user_agent.partition("/")[0]  # a contact must not match another agent's group
        self._max_crawl_delay = max_crawl_delay
        self._clock = clock
        self._sites: OrderedDict[str, _Site] = OrderedDict()

    async def allows(self, url: str) -> Decision:
        """Decide for one URL, downloading the site's robots.txt if need be.

        A URL that is not on the web is allowed: asking for it fails without a request.
        """
        try:
            target = URL(url).with_fragment(None)
            origin = str(target.origin())
        except ValueError:
            return Decision()
        if target.scheme not in ("http", "https"):
            return Decision()
        site = await self._site(origin)
        rules = site.rules
        if rules is None:
            return Decision(Refusal.ROBOTS_UNREACHABLE, fault=site.fault)
        delay = rules.crawl_delay(self._token)
        if not rules.can_fetch(str(target), self._token):
            return Decision(Refusal.ROBOTS_DISALLOWS, delay)
        if delay is not None and delay > self._max_crawl_delay:
            return Decision(Refusal.ROBOTS_DELAY, delay)
        return Decision(None, delay)

    async def _site(self, origin: str) -> _Site:
        site = self._sites.setdefault(origin, _Site())
        self._sites.move_to_end(origin)
        if len(self._sites) > _MAX_SITES:
            self._sites.popitem(last=False)
        async with site.lock:  # one download however many ask at once
            if self._clock() >= site.expires_at:
                response = await self._download(f"{origin}/robots.txt")
                site.rules = _parse(response)
                site.fault = response.error if response.error in NO_SITE else None
                lifetime = _LIFETIME if site.rules else _LIFETIME_OF_FAULTS
                site.expires_at = self._clock() + lifetime - response.age
        return site


def _parse(response: HttpResponse) -> Protego | None:
    """Read the rules of a robots.txt answer; None if it counts as unreachable."""
    if response.error is None or (response.error is FetchError.TOO_LARGE and response.body):
        body = response.body[:_MAX_BYTES]
        if len(body) < len(response.body):
            body = body[: body.rfind(b"\n") + 1]  # half a rule could say another thing
        return Protego.parse(body.decode("utf-8-sig", errors="replace"))
    absent = (
        response.error is FetchError.HTTP_STATUS
        and response.status is not None
        and 400 <= response.status < 500
        and response.status != 429
    )
    return Protego.parse("") if absent else None
