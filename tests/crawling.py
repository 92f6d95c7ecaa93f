"""Crawls for tests: of local sites, in this process or in one that can be killed."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from warcio.archiveiterator import ArchiveIterator

from tests.servers import Site
from wit_builder.crawl import crawl
from wit_builder.crawl_options import CrawlOptions
from wit_builder.crawl_summary import CrawlSummary
from wit_builder.download import Downloader, DownloadOptions
from wit_builder.robots import RobotsPolicy

RUN = """
import asyncio, sys
from functools import partial
from wit_builder.crawl import crawl
from wit_builder.crawl_options import CrawlOptions
from wit_builder.download import Downloader, DownloadOptions
from wit_builder.robots import RobotsPolicy

async def main():
    *seeds, output, warc_bytes = sys.argv[1:]
    options = CrawlOptions(
        seeds=tuple(seeds),
        output=output,
        max_depth=20,
        warc_bytes=int(warc_bytes),
        requests_per_second=0.0,
        connections=8,
    )
    asks = DownloadOptions(requests_per_second=0, allow_private_networks=True)
    async with Downloader(asks) as downloader:
        await crawl(options, downloader, partial(RobotsPolicy, user_agent="wit-builder"))

asyncio.run(main())
"""


def run(
    output: Path, *seeds: str, progress: Any = lambda _: None, allow_private: bool = True, **changes: Any
) -> CrawlSummary:
    async def main() -> CrawlSummary:
        usual: dict[str, Any] = {"requests_per_second": 0.0, "connections": 8, "timeout_seconds": 5.0}
        options = CrawlOptions(seeds=seeds, output=str(output), **{**usual, **changes})
        asks = DownloadOptions(
            user_agent=options.user_agent,
            requests_per_second=0,
            allow_private_networks=allow_private,
            timeout_seconds=options.timeout_seconds,
            retries=0,
            max_bytes=options.max_bytes,
        )
        async with Downloader(asks) as downloader:
            robots = partial(RobotsPolicy, user_agent=options.user_agent)
            return await crawl(options, downloader, robots, progress)

    return asyncio.run(main())


def links(*targets: str) -> str:
    return "".join(f'<a href="{target}">x</a>' for target in targets)


def warcs(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.warc.gz"))


class Record(NamedTuple):
    kind: str
    url: str
    body: bytes
    head: dict[str, str]


def records(folder: Path) -> Iterator[Record]:
    for path in warcs(folder):
        with path.open("rb") as file:
            for record in ArchiveIterator(file, check_digests="raise"):
                url = record.rec_headers.get_header("WARC-Target-URI") or ""
                head = dict(record.rec_headers.headers)
                yield Record(record.rec_type, url, record.content_stream().read(), head)


def answers(folder: Path, server: Site) -> Counter[str]:
    """Count the response records of pages by path."""
    return Counter(
        url.removeprefix(server.url("")) for kind, url, *_ in records(folder) if kind == "response"
    ) - Counter(["/robots.txt"] * 99)
