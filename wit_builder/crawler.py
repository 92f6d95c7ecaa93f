"""The crawler's inner loop: one shard, wave after wave, a host one page at a time.

A visit is written down as soon as it has ended: its records first, then the frontier,
which says how long the WARC file is.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from yarl import URL

from wit_builder.crawl_options import CrawlOptions
from wit_builder.crawl_summary import CrawlSummary, summarise
from wit_builder.frontier import Frontier
from wit_builder.judge import Judge
from wit_builder.links import charset_of, is_page, links_of
from wit_builder.outcomes import BY_ROBOTS, SAME_PAGE, Outcome, fault_of
from wit_builder.recrawl import EarlierCrawl, conditions
from wit_builder.sitemaps import sitemaps_in_robots
from wit_builder.visits import Capture, KeptRobots, Page, Visit, WarcState, Wave
from wit_builder.warc import (
    NOT_MODIFIED,
    Fields,
    WarcFile,
    finish,
    is_writable,
    open_size,
    payload_digest,
    warc_name,
)
from wit_builder.web import REDIRECTS, Download, FetchError, HttpClient, HttpResponse, Robots

_MAX_SITEMAPS = 100  # that a robots.txt may name
_ROBOTS_BYTES = 500 * 1024 + 1  # kept: the limit of `robots`, and that there was more
_ACCEPT = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.1"}
_ROBOTS_LIFETIME = 24 * 3600.0  # seconds, RFC 9309 2.4
_ROBOTS_FAULT_LIFETIME = 600.0
_TICK_SECONDS = 1.0  # between syncs and reports

Progress = Callable[[CrawlSummary], None]
MakeRobots = Callable[[Download], Robots]
"""Makes the policy from a download function, whose answers are written too."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one shard does at one go.

    Only a crawl of several shards has several rounds: one for each wave, between
    which the shards tell each other what they have found.
    """

    shard: int = 0
    number: int = 0
    wave: Wave | None = None
    """Visited alone; None: wave after wave to the end."""
    max_requests: int | None = None
    """Of the shard, earlier rounds included; None: `max_pages`."""


class Crawler:
    """A round under way: the workers and the open WARC file."""

    def __init__(
        self,
        options: CrawlOptions,
        round_: Round,
        frontier: Frontier,
        client: HttpClient,
        robots: MakeRobots,
        earlier: EarlierCrawl | None,
    ) -> None:
        self.judge = Judge(options, round_.shard)
        self._options = options
        self._round = round_
        self._frontier = frontier
        self._client = client
        self._robots = robots(self._robots_txt)
        self._earlier = earlier
        self._folder = Path(options.output)
        self._sitemaps: dict[str, list[str]] = {}
        limit = options.max_pages if round_.max_requests is None else round_.max_requests
        self._left = limit - frontier.asked_in_all()
        self._began = time.time()
        self._warc: WarcFile | None = None
        self._next_warc = WarcState(0, 0, False)
        self._reopen()

    def _reopen(self) -> None:
        for state in self._frontier.warcs():
            if state.finished:
                finish(self._folder, self._round.shard, state.number, state.length)
                self._next_warc = WarcState(state.number + 1, 0, False)
            else:
                name = warc_name(self._round.shard, state.number)
                size = open_size(self._folder, self._round.shard, state.number)
                self._next_warc = self._frontier.cut_back(state, name, size)
                self._warc = self._open_warc()

    def _open_warc(self) -> WarcFile:
        info = {
            "software": self._options.user_agent.partition(" ")[0],
            "format": "WARC File Format 1.1",
            "robots": "obey",
            "http-header-user-agent": self._options.user_agent,
        }
        state = self._next_warc
        return WarcFile(self._folder, self._round.shard, state.number, state.length, info)

    async def tick(self, progress: Progress) -> None:
        """Sync and report, now and then, until cancelled."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            if self._warc:
                self._warc.sync()
            progress(summarise(self._frontier))

    def close(self) -> None:
        """Sync and close the WARC file; a later round goes on with it."""
        if self._warc:
            self._warc.sync()
            self._warc.close()

    async def visit_waves(self) -> None:
        """Visit the round's wave, or every wave, as far as requests are left."""
        if self._round.wave is not None:
            if self._left > 0:
                await self._visit_wave(self._round.wave)
            return
        while self._left > 0 and (wave := self._frontier.next_wave()):
            await self._visit_wave(wave)

    async def _visit_wave(self, wave: Wave) -> None:
        last_rank = self._frontier.last_rank(wave, self._left)
        hosts = self._frontier.hosts(wave)

        async def work() -> None:
            for host in hosts:
                await self._visit_host(wave, host, last_rank)

        async with asyncio.TaskGroup() as group:
            for _ in range(self._options.connections):
                group.create_task(work())

    async def _visit_host(self, wave: Wave, host: str, last_rank: int) -> None:
        asked, asked_at = self._frontier.asked(host)
        for page in self._frontier.waiting(wave, host, last_rank):
            if self._frontier.outcome(page.url) is not None:
                continue  # a page before it was the same
            if asked >= self._options.max_pages_per_host:
                self._commit(Visit(page, Outcome.HOST_BUDGET))
                continue
            visit = await self._visit(page, asked_at)
            if visit.asked_at is not None:
                asked, asked_at = asked + 1, visit.asked_at
            self._commit(visit)

    async def _visit(self, page: Page, last_asked_at: float) -> Visit:
        decision = await self._robots.allows(page.url)
        named = self._sitemaps.pop(str(URL(page.url).origin()), ())
        sitemaps = self.judge.by_robots(page, named)
        if decision.ground is not None:
            return Visit(page, self._refused(page, BY_ROBOTS[decision.ground]), found=sitemaps)
        if decision.crawl_delay is not None:
            self._client.slow_down(page.url, decision.crawl_delay)
        await asyncio.sleep(self._rest(last_asked_at, decision.crawl_delay or 0.0))
        self._left -= 1
        held = self._earlier.find(page.url, page.host) if self._earlier and not page.sitemap else None
        asked_at = time.time()
        response = await self._client.get(
            page.url,
            headers={**_ACCEPT, **conditions(held)},
            follow=False,
            want_body=None if page.sitemap else is_page,
        )
        visit = self._conclude(page, response, held)
        return replace(visit, status=response.status, found=visit.found + sitemaps, asked_at=asked_at)

    def _refused(self, page: Page, outcome: Outcome) -> Outcome:
        """Say what is wrong with a site that did not answer even for its robots.txt."""
        kept = self._frontier.robots(f"{URL(page.url).origin()}/robots.txt")
        if outcome is Outcome.ROBOTS_UNREACHABLE and kept and kept.error and kept.status is None:
            return Outcome(kept.error)
        return outcome

    def _rest(self, last_asked_at: float, crawl_delay: float) -> float:
        """Give the seconds for which a host still rests from an earlier run."""
        if last_asked_at >= self._began:
            return 0.0  # the client keeps the pace
        rate = self._options.requests_per_second
        interval = max(1 / rate if rate else 0.0, crawl_delay)
        return min(max(last_asked_at + interval - time.time(), 0.0), interval)

    def _conclude(self, page: Page, response: HttpResponse, held: Capture | None) -> Visit:
        """Judge an answer and write its records."""
        fault = fault_of(response)
        if response.status in REDIRECTS:
            found = self.judge.by_redirect(page, response)
            return Visit(page, Outcome.REDIRECT, capture=self._write(response), found=found)
        if held and response.status == NOT_MODIFIED:
            return self._conclude_page(page, response, held)
        if response.status is not None and not page.sitemap and not is_page(response):
            return Visit(page, fault or Outcome.NOT_HTML)
        if fault is not None:
            return Visit(page, fault, capture=self._write(response))
        if page.sitemap:
            found = self.judge.by_sitemap(page, response)
            return Visit(page, Outcome.SITEMAP, capture=self._write(response), found=found)
        return self._conclude_page(page, response, held)

    def _conclude_page(self, page: Page, response: HttpResponse, held: Capture | None) -> Visit:
        whole = response
        if held and self._earlier and response.status == NOT_MODIFIED:
            whole = self._earlier.read(held)
        links = links_of(whole)
        found = self.judge.by_links(page, links)
        home = self.judge.canonical_of(page, links)
        if home and self._frontier.outcome(home.url) in SAME_PAGE:
            return Visit(page, Outcome.DUPLICATE_PAGE, found=found)
        if held and whole is response and held.digest != payload_digest(response.body):
            held = None  # it has changed
        capture = self._write(response, [("charset-detected", charset_of(whole))], held)
        if held and capture:  # what is written now only refers to it
            etag, modified = capture.etag or held.etag, capture.modified or held.modified
            capture = held._replace(etag=etag, modified=modified)
        outcome = Outcome.UNCHANGED if held else Outcome.PAGE
        return Visit(page, outcome, size=len(whole.body), found=found, canonical=home, capture=capture)

    async def _robots_txt(self, url: str) -> HttpResponse:
        """Download a robots.txt, or give the answer that an earlier run had within its lifetime."""
        response = _kept_answer(self._frontier.robots(url))
        if response is None:
            asked_at = time.time()
            response = await self._client.get(url)
            self._write(response)
            body, error = response.body[:_ROBOTS_BYTES], response.error and response.error.value
            kept = KeptRobots(url, asked_at, response.status, error, body)
            self._frontier.commit(robots=kept, warc=self._warc_state())
        if self._options.sitemaps and response.error in (None, FetchError.TOO_LARGE):
            named = sitemaps_in_robots(response.body, _MAX_SITEMAPS)
            self._sitemaps[str(URL(url).origin())] = named
        return response

    def _write(
        self, response: HttpResponse, metadata: Fields = (), earlier: Capture | None = None
    ) -> Capture | None:
        if not is_writable(response):
            return None
        if self._warc is None:
            self._warc = self._open_warc()
        return self._warc.write(response, metadata, earlier)

    def _warc_state(self) -> WarcState | None:
        return WarcState(self._warc.number, self._warc.length, False) if self._warc else None

    def _commit(self, visit: Visit) -> None:
        state = self._warc_state()
        self._frontier.commit(visit, warc=state)
        if self._warc and state and state.length >= self._options.warc_bytes:
            self.close()
            self._warc, self._next_warc = None, WarcState(state.number + 1, 0, False)
            self._frontier.commit(warc=state._replace(finished=True))
            self._frontier.sync()
            finish(self._folder, self._round.shard, state.number, state.length)


def _kept_answer(kept: KeptRobots | None) -> HttpResponse | None:
    if kept is None:
        return None
    error = FetchError(kept.error) if kept.error else None
    client_error = error is FetchError.HTTP_STATUS and 400 <= (kept.status or 0) < 500 and kept.status != 429
    settled = error is None or client_error or (error is FetchError.TOO_LARGE and bool(kept.body))
    age = time.time() - kept.asked_at
    if not 0 <= age < (_ROBOTS_LIFETIME if settled else _ROBOTS_FAULT_LIFETIME):
        return None
    return HttpResponse(kept.url, kept.url, kept.status, body=kept.body, error=error, age=age)
