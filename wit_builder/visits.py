"""What the crawler hands to its memory on disk: pages, visits, and where their records lie."""

from dataclasses import dataclass
from typing import NamedTuple

from wit_builder.outcomes import Outcome


class Wave(NamedTuple):
    """Pages equally far from the seeds; waves are visited in this order."""

    depth: int
    redirects: int
    """Redirects followed since the last link."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page to visit."""

    url: str
    host: str
    """host:port."""
    wave: Wave
    sitemap: bool = False
    """It is no page but names pages."""
    shard: int | None = None
    """The shard that visits it, if that is another one."""


class Capture(NamedTuple):
    """Where a page's body lies and how to ask whether it is still the same."""

    archive: str
    """WARC file: a name in the crawl's folder, or the full path of an earlier crawl's."""
    offset: int
    """Of the response record, in bytes."""
    record_id: str
    date: str
    """WARC-Date."""
    digest: str
    """Of the body: "sha1:" and Base32."""
    etag: str = ""
    modified: str = ""
    """Last-Modified."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of a page."""

    page: Page
    outcome: Outcome
    status: int | None = None
    """Of HTTP."""
    size: int = 0
    """Body, in bytes."""
    found: tuple[Page, ...] = ()
    canonical: Page | None = None
    """The address under which the site would have the page known; it is not visited any more."""
    capture: Capture | None = None
    asked_at: float | None = None
    """Seconds since the epoch; None if the page was not asked for."""


class KeptRobots(NamedTuple):
    """An answer to a request for a robots.txt."""

    url: str
    asked_at: float
    """Seconds since the epoch."""
    status: int | None
    error: str | None
    body: bytes


class WarcState(NamedTuple):
    """How much of a WARC file holds committed records."""

    number: int
    length: int
    """Bytes."""
    finished: bool


class Totals(NamedTuple):
    """Pages with one outcome."""

    pages: int
    bytes: int
