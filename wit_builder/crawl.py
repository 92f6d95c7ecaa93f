"""A polite crawler of whole sites: pages in, WARC files out.

Pages are visited in waves: everything at depth 0, then at depth 1, and so on (a
redirect, and a sitemap, is a small step within a depth). A wave begins when the one
before it has ended, so a page's depth is its least depth. Within a wave a host is asked
one page at a time, in the order of a hash. So the set of pages depends neither on timing
nor on where a crawl was ended and taken up again.

A visit is written down as soon as it has ended: its records, then the frontier that says
how long the WARC file is. A crawl that is killed at any moment has lost nothing but the
requests under way; these are made again.
"""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from wit_builder.crawl_options import CrawlOptions
from wit_builder.crawl_summary import CrawlSummary, summarise
from wit_builder.crawler import Crawler, MakeRobots, Progress, Round
from wit_builder.errors import UserError
from wit_builder.frontier import Frontier
from wit_builder.recrawl import EarlierCrawl
from wit_builder.visits import Page
from wit_builder.warc import finish
from wit_builder.web import HttpClient


async def crawl(
    options: CrawlOptions, client: HttpClient, robots: MakeRobots, progress: Progress = lambda _: None
) -> CrawlSummary:
    """Crawl in one shard until nothing is left, or go on where a crawl was ended.

    Args:
        options: seeds and limits.
        client: paces the hosts; asks with `options.user_agent`.
        robots: makes the policy.
        progress: called about once a second, and at the end.

    Raises:
        UserError: another crawl is writing to the output folder, or it cannot be written.
    """
    frontier = open_frontier(options, Round())
    try:
        await run_round(options, Round(), frontier, client, robots, progress)
        seal(Path(options.output), 0, frontier)
        return summarise(frontier)
    finally:
        frontier.close()


def open_frontier(options: CrawlOptions, round_: Round) -> Frontier:
    """Open a shard's frontier for a round.

    Raises:
        UserError: another crawl is writing to the output folder, or it cannot be written.
    """
    folder = Path(options.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}; choose another output folder") from None
    return Frontier(folder / f"frontier-{round_.shard:02d}.sqlite", round_.number)


async def run_round(
    options: CrawlOptions,
    round_: Round,
    frontier: Frontier,
    client: HttpClient,
    robots: MakeRobots,
    progress: Progress = lambda _: None,
    found: Iterable[Page] = (),
) -> None:
    """Do one round of one shard, or what is left of it.

    Args:
        options: of the crawl.
        round_: which.
        frontier: of the shard.
        client: paces the hosts.
        robots: makes the policy.
        progress: called about once a second, and at the end.
        found: pages that other shards have found for this one.
    """
    earlier = EarlierCrawl(Path(options.recrawl)) if options.recrawl else None
    try:
        crawler = Crawler(options, round_, frontier, client, robots, earlier)
        frontier.commit(found=[*crawler.judge.seeds(), *found])
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(crawler.tick(progress))
            await crawler.visit_waves()
            ticking.cancel()
        crawler.close()
        frontier.sync()
        progress(summarise(frontier))
    except BaseExceptionGroup as group:
        raise _mistake(group) or group from None
    finally:
        if earlier:
            earlier.close()


def _mistake(group: BaseExceptionGroup[BaseException]) -> UserError | None:
    """Find the user's mistake among what tasks have raised."""
    for error in group.exceptions:
        found = _mistake(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(found, UserError):
            return found
    return None


def seal(folder: Path, shard: int, frontier: Frontier) -> None:
    """Give a shard's last WARC file its name."""
    for state in frontier.warcs():
        if not state.finished:
            frontier.commit(warc=state._replace(finished=True))
            frontier.sync()
        finish(folder, shard, state.number, state.length)
