"""Web sites -> WARC files, politely; one process, resumable."""

import asyncio
from functools import partial
from typing import Any

from pipelines.cli import main_of
from pipelines.session import Session, Stage
from wit_builder import storage
from wit_builder.crawl import CrawlOptions, CrawlSummary, crawl
from wit_builder.download import Downloader, DownloadOptions
from wit_builder.parts import PartSummary
from wit_builder.robots import RobotsPolicy

__all__ = ["CrawlOptions", "run"]


def run(options: CrawlOptions, session: Session) -> dict[str, Any]:
    """Crawl to the end, or go on where a crawl was ended.

    Raises:
        UserError: the output folder holds another run, or no page could be had.
    """
    stage = Stage("crawl", options.output, options, {}, session)
    if not stage.begin(f"{len(options.seeds)} seeds"):
        return stage.manifest()
    with session.progress("Crawl pages", options.max_pages) as update:
        done = asyncio.run(_crawl(options, lambda summary: update(summary.pages)))
    summary = PartSummary(
        done.pages + sum(done.failures.values()), done.pages, done.failures, {"bytes": done.bytes}
    )
    archives = storage.list_dir(options.output, ".warc.gz")
    return stage.finish(summary, archives, {"robots_denied": done.robots_denied, "waiting": done.waiting})


async def _crawl(options: CrawlOptions, progress: Any) -> CrawlSummary:
    polite = DownloadOptions(
        user_agent=options.user_agent,
        timeout_seconds=options.timeout_seconds,
        max_bytes=options.max_bytes,
        requests_per_second=options.requests_per_second,
        allow_private_networks=options.allow_private_networks,
    )
    robots = partial(RobotsPolicy, user_agent=options.user_agent)
    async with Downloader(polite) as client:
        return await crawl(options, client, robots, progress)


if __name__ == "__main__":
    main_of("pipelines.crawl")
