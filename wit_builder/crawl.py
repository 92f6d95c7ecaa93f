"""A polite crawler of whole sites: pages in, WARC files out.

Pages are visited in waves: everything at depth 0, then at depth 1, and so on (a
redirect is a small step within a depth). A wave begins when the one before it has
ended, so a page's depth is its least depth and the set of pages does not depend on
timing, unless `max_pages` cuts it. Within a wave a host is asked one page at a time.

The frontier is committed together with the length of the WARC file, so a crawl that
is killed at any moment goes on from its last commit with no page lost or twice.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from yarl import URL

from wit_builder.addresses import agent_with_contact, host_key
from wit_builder.errors import UserError
from wit_builder.frontier import DONE, Frontier, Page, Visit, WarcState, Wave
from wit_builder.links import canonical, is_page, links_of, site_of
from wit_builder.warc import WarcFile, finish
from wit_builder.web import (
    REDIRECTS,
    Download,
    FetchError,
    HttpClient,
    HttpResponse,
    Refusal,
    Robots,
    error_message,
)

REDIRECT = "redirect"
NOT_HTML = "not_html"

_MAX_REDIRECTS = 5
_MAX_URL = 2_000  # characters
_WRITTEN = (None, FetchError.HTTP_STATUS, FetchError.TOO_LARGE)
"""Answers that are complete, or cut on purpose; others leave no record."""
_NOT_PAGES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".svg", ".pdf", ".zip", ".gz", ".mp3", ".mp4")
_ACCEPT = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.1"}
_BY_ROBOTS = (Refusal.ROBOTS_DISALLOWS, Refusal.ROBOTS_DELAY, Refusal.ROBOTS_UNREACHABLE)
_GROUP_PAGES = 50  # pages per commit, at most
_GROUP_SECONDS = 1.0  # between commits, at most


@dataclass(frozen=True, kw_only=True)
class CrawlOptions:
    """What to crawl and how politely. Checked when made."""

    seeds: tuple[str, ...] = field(metadata={"help": "URLs to begin with"})
    output: str = field(metadata={"help": "local folder for the WARC files and the frontier"})
    contact: str = field(default="", metadata={"help": "e-mail or web address site owners can reach you by"})
    max_pages: int = field(default=10_000, metadata={"help": "requests for pages, at most"})
    max_depth: int = field(default=5, metadata={"help": "links between a seed and a page, at most"})
    same_site: bool = field(default=True, metadata={"help": "stay on the seeds' hosts (www. or not)"})
    requests_per_second: float = field(default=1.0, metadata={"help": "per host and port; 0: no limit"})
    connections: int = field(default=32, metadata={"help": "hosts asked at once"})
    timeout_seconds: float = field(default=30.0, metadata={"help": "time per page"})
    max_bytes: int = field(default=5_000_000, metadata={"help": "longer pages are cut, in bytes"})
    warc_bytes: int = field(default=100_000_000, metadata={"help": "length at which a WARC file is finished"})
    allow_private_networks: bool = field(
        default=False, metadata={"help": "allow addresses that are not public"}
    )

    def __post_init__(self) -> None:
        if not self.seeds:
            raise UserError("seeds is empty; give at least one URL")
        for seed in self.seeds:
            if not seed.startswith(("http://", "https://")) or not host_key(seed):
                raise UserError(f"seed {seed!r} is not a web address; give one such as https://example.org/")
        for name in ("max_pages", "connections", "warc_bytes"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}; give 1 or more")
        if self.max_depth < 0:
            raise UserError(f"max_depth is {self.max_depth}; give 0 or more")
        if "://" in self.output:
            raise UserError(f"output {self.output} is not a local folder; crawl to a disk, then copy")
        if not self.same_site and not self.contact:
            raise UserError("same_site is off and there is no contact; give one site owners can use")
        agent_with_contact(self.contact, self.seeds)

    @property
    def user_agent(self) -> str:
        """The User-Agent to ask with."""
        return agent_with_contact(self.contact)


@dataclass(frozen=True, slots=True)
class CrawlSummary:
    """Counts over the whole crawl, earlier runs included."""

    pages: int
    """HTML pages written."""
    bytes: int
    """Their bodies."""
    failures: dict[str, int]
    """Pages by what went wrong or was not wanted; robots.txt grounds too."""
    robots_denied: int
    waiting: int
    """Known and not asked for: above zero if max_pages ended the crawl."""


async def crawl(
    options: CrawlOptions,
    client: HttpClient,
    robots: Callable[[Download], Robots],
    progress: Callable[[CrawlSummary], None] = lambda _: None,
) -> CrawlSummary:
    """Crawl until nothing is left within the limits, or go on where a crawl was ended.

    Args:
        options: seeds and limits.
        client: paces the hosts; asks with `options.user_agent`.
        robots: makes the policy from a download function, whose answers are written too.
        progress: called after each commit, about once a second.

    Raises:
        UserError: another crawl is writing to the output folder, or it cannot be written.
    """
    folder = Path(options.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}; choose another output folder") from None
    frontier = Frontier(folder / "frontier.sqlite")
    try:
        run = _Crawl(options, client, robots, frontier, progress)
        await run.to_the_end()
        return _summary(frontier)
    finally:
        frontier.close()


def _summary(frontier: Frontier) -> CrawlSummary:
    outcomes = frontier.outcomes()
    pages, size = outcomes.pop(DONE, (0, 0))
    waiting, _ = outcomes.pop(None, (0, 0))
    outcomes.pop(REDIRECT, None)
    failures = {str(outcome): count for outcome, (count, _) in sorted(outcomes.items(), key=str)}
    denied = sum(count for outcome, count in failures.items() if outcome in _BY_ROBOTS)
    return CrawlSummary(pages, size, failures, denied, waiting)


class _Crawl:
    """One run of a crawl: the workers, the open WARC file and the visits not yet committed."""

    def __init__(
        self,
        options: CrawlOptions,
        client: HttpClient,
        robots: Callable[[Download], Robots],
        frontier: Frontier,
        progress: Callable[[CrawlSummary], None],
    ) -> None:
        self._options = options
        self._client = client
        self._robots = robots(self._download_and_write)
        self._frontier = frontier
        self._progress = progress
        self._folder = Path(options.output)
        self._sites = {site_of(URL(seed)) for seed in options.seeds}
        self._visits: list[Visit] = []
        self._warc: WarcFile | None = None
        self._next_warc = WarcState(0, 0, False)
        outcomes = frontier.outcomes().items()
        asked = sum(count for outcome, (count, _) in outcomes if outcome and outcome not in _BY_ROBOTS)
        self._budget = options.max_pages - asked

    async def to_the_end(self) -> None:
        """Visit wave after wave; the WARC files have their names at the end."""
        self._reopen()
        self._frontier.commit(seeds=[self._page(URL(seed), Wave(0, 0)) for seed in self._options.seeds])
        try:
            async with asyncio.TaskGroup() as group:
                ticking = group.create_task(self._tick())
                while self._budget > 0 and (wave := self._frontier.next_wave()):
                    await self._visit_all(wave)
                    self._commit()
                ticking.cancel()
            self._commit(last=True)
        finally:
            if self._warc:
                self._warc.close()

    def _reopen(self) -> None:
        for state in self._frontier.warcs():
            if state.finished:
                finish(self._folder, state.number)
                self._next_warc = WarcState(state.number + 1, 0, False)
            else:
                self._warc = self._open_warc(state)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_GROUP_SECONDS)
            self._commit()

    async def _visit_all(self, wave: Wave) -> None:
        hosts = deque(self._frontier.hosts(wave))

        async def work() -> None:
            while hosts:
                for page in self._frontier.waiting(wave, hosts.popleft()):
                    visit = await self._visit(page)
                    if visit is None:
                        return
                    self._visits.append(visit)
                    if len(self._visits) >= _GROUP_PAGES:
                        self._commit()

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._options.connections, len(hosts))):
                group.create_task(work())

    def _commit(self, last: bool = False) -> None:
        """Make the visits so far durable: first the WARC file, then the frontier that says how long it is."""
        if not self._visits and not last:
            return
        state = None
        if self._warc:
            length = self._warc.sync()
            finished = last or length >= self._options.warc_bytes
            state = WarcState(self._warc.number, length, finished)
        self._frontier.commit(self._visits, state)
        self._visits.clear()
        if self._warc and state and state.finished:
            self._warc.close()
            self._warc = None
            finish(self._folder, state.number)
            self._next_warc = WarcState(state.number + 1, 0, False)
        self._progress(_summary(self._frontier))

    async def _visit(self, page: Page) -> Visit | None:
        """Ask for one page; None if the budget is spent."""
        decision = await self._robots.allows(page.url)
        if decision.ground is not None:
            return Visit(page, decision.ground)
        if decision.crawl_delay is not None:
            self._client.slow_down(page.url, decision.crawl_delay)
        if self._budget <= 0:
            return None
        self._budget -= 1
        response = await self._client.get(page.url, headers=_ACCEPT, follow=False, want_body=is_page)
        if response.status in REDIRECTS:
            self._write(response)
            return Visit(page, REDIRECT, found=tuple(self._found_by_redirect(page, response)))
        if response.status is not None and not is_page(response):
            return Visit(page, error_message(response) or NOT_HTML)
        self._write(response)
        message = error_message(response)
        if message is not None:
            return Visit(page, message)
        found = tuple(self._found_by_links(page, response))
        return Visit(page, DONE, len(response.body), found)

    async def _download_and_write(self, url: str) -> HttpResponse:
        response = await self._client.get(url)
        self._write(response)
        return response

    def _write(self, response: HttpResponse) -> None:
        if response.status is None or response.error not in _WRITTEN:
            return
        if self._warc is None:
            self._warc = self._open_warc(self._next_warc)
        self._warc.write(response)

    def _open_warc(self, state: WarcState) -> WarcFile:
        info = {
            "software": self._options.user_agent.partition(" ")[0],
            "format": "WARC File Format 1.1",
            "robots": "obey",
            "http-header-user-agent": self._options.user_agent,
        }
        return WarcFile(self._folder, state.number, state.length, info)

    def _found_by_redirect(self, page: Page, response: HttpResponse) -> Iterator[Page]:
        wave = Wave(page.wave.depth, page.wave.redirects + 1)
        with suppress(ValueError):
            target = URL(response.final_url).join(URL(response.header("Location")))
            if wave.redirects <= _MAX_REDIRECTS and self._wanted(target):
                yield self._page(target, wave)

    def _found_by_links(self, page: Page, response: HttpResponse) -> Iterator[Page]:
        if page.wave.depth < self._options.max_depth:
            wave = Wave(page.wave.depth + 1, 0)
            yield from (self._page(url, wave) for url in links_of(response) if self._wanted(url))

    def _wanted(self, url: URL) -> bool:
        return (
            url.scheme in ("http", "https")
            and bool(url.raw_host)
            and len(str(url)) <= _MAX_URL
            and not url.raw_path.lower().endswith(_NOT_PAGES)
            and (not self._options.same_site or site_of(url) in self._sites)
        )

    def _page(self, url: URL, wave: Wave) -> Page:
        return Page(canonical(url), host_key(str(url)), wave)
