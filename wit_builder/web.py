"""The web as the stages see it: a response is a value, an expected failure is a word.

Pure: what judges responses (robots, fetch, crawl) needs no network library, and
meets the HTTP client and the robots.txt policy only through the interfaces here.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Protocol

REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""Statuses that lead elsewhere by Location."""


class FetchError(StrEnum):
    """Why a download failed. Closed set."""

    BAD_URL = "bad_url"
    UNSUPPORTED_SCHEME = "unsupported_scheme"
    PRIVATE_ADDRESS = "private_address"
    DNS_FAILED = "dns_failed"
    CONNECT_FAILED = "connect_failed"
    TLS_FAILED = "tls_failed"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    REDIRECT_REFUSED = "redirect_refused"
    BAD_RESPONSE = "bad_response"
    INCOMPLETE_BODY = "incomplete_body"
    CONNECTION_RESET = "connection_reset"
    HTTP_STATUS = "http_status"
    HOST_UNAVAILABLE = "host_unavailable"
    """Not asked: the host did not answer several times in a row."""


NO_SITE = frozenset(
    {
        FetchError.BAD_URL,
        FetchError.PRIVATE_ADDRESS,
        FetchError.DNS_FAILED,
        FetchError.CONNECT_FAILED,
        FetchError.TLS_FAILED,
    }
)
"""Errors that every URL of a site has in common."""


class Refusal(StrEnum):
    """Why a URL is not asked for although it could be. Closed set."""

    PAGE_OPTED_OUT = "page opted out"
    ROBOTS_DISALLOWS = "robots.txt disallows"
    ROBOTS_DELAY = "robots.txt crawl delay too long"
    ROBOTS_UNREACHABLE = "robots.txt unreachable"
    """For now; the site has not said no."""
    TDM_RESERVED = "tdmrep.json reserves"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What came of one URL: a body, or an error with whatever came before it."""

    url: str
    final_url: str
    """After redirects, without a fragment."""
    status: int | None = None
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    """Content-Encoding undone; with an error, what came before it, at most the first max_bytes."""
    error: FetchError | None = None
    refusal: Refusal | None = None
    """Ground on which a redirect was refused."""
    request_headers: tuple[tuple[str, str], ...] = ()
    ip: str = ""
    """Address of the server that answered; empty if none did."""
    asked_at: datetime | None = None
    """UTC time at which the last request began."""
    seconds: float = 0.0
    """The last request took, its body included."""
    age: float = 0.0
    """Seconds since it was asked for, if it was kept in between."""

    def header(self, name: str) -> str:
        """Give a header's values, joined by commas; empty if it is absent."""
        return ", ".join(self.header_lines(name))

    def header_lines(self, name: str) -> list[str]:
        """Give a header's values, one an occurrence."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def retry_after(self) -> float:
        """Retry-After in seconds, a date counted from Date; 0 if absent or unreadable (RFC 9110 10.2.3)."""
        value = self.header("Retry-After").strip()
        if value.isdecimal() and value.isascii():
            return float(value)
        try:
            date = parsedate_to_datetime(self.header("Date"))
            return max((parsedate_to_datetime(value) - date).total_seconds(), 0.0)
        except (ValueError, TypeError):
            return 0.0


def error_message(response: HttpResponse) -> str | None:
    """Name what went wrong in a closed vocabulary: "http 404", "timeout"; None if nothing."""
    if response.error is FetchError.HTTP_STATUS:
        return f"http {response.status}"
    return response.error and response.error.value


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether robots.txt lets a URL be asked for."""

    ground: Refusal | None = None
    """Why not; None if it does."""
    crawl_delay: float | None = None
    """Seconds between requests that the site asks for."""
    fault: FetchError | None = None
    """Why robots.txt is unreachable, if the whole site is."""

    @property
    def allowed(self) -> bool:
        """Whether the URL may be asked for."""
        return self.ground is None


Download = Callable[[str], Awaitable[HttpResponse]]
"""Downloads one URL, following redirects; remote failures are values."""

MayFollow = Callable[[str], Awaitable[Refusal | None]]
"""Asked for every redirect target: None to follow, or the ground of refusal."""

WantBody = Callable[[HttpResponse], bool]
"""Asked when the head has come: whether to download the body."""

AwaitRoom = Callable[[HttpResponse], Awaitable[None]]
"""Told the head, it waits until there is room for the body."""


class HttpClient(Protocol):
    """The polite HTTP client, as the stages use it."""

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
        """

    def slow_down(self, url: str, seconds: float) -> None:
        """Keep at least this many seconds between requests to a URL's host (Crawl-delay)."""


class Robots(Protocol):
    """The robots.txt policy, as the stages use it."""

    async def allows(self, url: str) -> Decision:
        """Decide for one URL."""
