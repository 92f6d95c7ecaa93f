"""Beam half of `wit_builder.crawl`: one shard's round is one work item.

Its part holds the pages it has found for other shards; the part's footer counts what
came of the shard's pages since the crawl began.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from math import ceil

import pyarrow as pa
import pyarrow.compute as pc

from wit_builder import storage
from wit_builder.addresses import host_key
from wit_builder.crawl import open_frontier, run_round
from wit_builder.crawl_options import CrawlOptions
from wit_builder.crawl_summary import CrawlSummary, summarise
from wit_builder.crawler import Round
from wit_builder.download import Downloader, DownloadOptions
from wit_builder.frontier import Frontier
from wit_builder.parts import PartSummary, read_batches, write_part
from wit_builder.robots import RobotsPolicy
from wit_builder.transforms.parts import ROWS_PER_READ, WorkItem
from wit_builder.visits import Page, Wave

FOUND = pa.schema(
    [
        ("shard", pa.int32()),
        ("url", pa.string()),
        ("depth", pa.int32()),
        ("redirects", pa.int32()),
        ("sitemap", pa.bool_()),
    ]
)
"""A page found for another shard."""

REQUESTS, UNCHANGED, BYTES, WAITING = "requests", "unchanged", "bytes", "waiting"
"""Counters of a footer; "waiting 2 0" counts the pages at depth 2 that are to be visited."""


@dataclass(frozen=True)
class ShardItem(WorkItem):
    """One round of one shard; the inputs are the parts of the last round."""

    round_: Round = field(default_factory=Round)


@dataclass
class CrawlShards:
    """Does rounds of shards."""

    options: CrawlOptions

    def setup(self) -> None:
        """There is nothing to open."""

    def run(self, item: WorkItem) -> PartSummary:
        """Visit the round's pages of a shard's hosts, and write down what was found for other shards.

        Raises:
            UserError: another crawl is writing to the output folder, or it cannot be written.
        """
        round_ = item.round_ if isinstance(item, ShardItem) else Round()
        frontier = open_frontier(self.options, round_)
        try:
            asyncio.run(self._crawl(item, round_, frontier))
            with write_part(item.output, FOUND) as part:
                for rows in _rows(frontier):
                    part.write(rows)
                part.report(footer(summarise(frontier)))
                for name, number in _counters(frontier).items():
                    part.count(name, number)
            return part.summary()
        finally:
            frontier.close()

    async def _crawl(self, item: WorkItem, round_: Round, frontier: Frontier) -> None:
        options = self.options
        polite = DownloadOptions(
            user_agent=options.user_agent,
            timeout_seconds=options.timeout_seconds,
            max_bytes=options.max_bytes,
            requests_per_second=options.requests_per_second,
            total_requests_per_second=options.total_requests_per_second / options.shards,
            connections=ceil(options.connections / options.shards),
            allow_private_networks=options.allow_private_networks,
        )
        robots = partial(RobotsPolicy, user_agent=options.user_agent)
        progress = partial(_tell, progress_path(options.output, round_.shard))
        async with Downloader(polite) as client:
            found = _pages_for(round_.shard, item.inputs)
            await run_round(options, round_, frontier, client, robots, progress, found)


def footer(summary: CrawlSummary) -> PartSummary:
    """Give the rows of a crawl: pages that are kept and pages that are not."""
    dropped = {outcome.value: pages for outcome, pages in summary.failures.items()}
    return PartSummary(summary.pages + sum(dropped.values()), summary.pages, dropped)


def _counters(frontier: Frontier) -> dict[str, int]:
    summary = summarise(frontier)
    counted = {REQUESTS: summary.asked, UNCHANGED: summary.unchanged, BYTES: summary.bytes}
    return counted | {
        f"{WAITING} {wave.depth} {wave.redirects}": pages
        for wave, pages in frontier.waiting_by_wave().items()
    }


def waiting_of(summary: PartSummary) -> dict[Wave, int]:
    """Read from a footer how many pages of a shard wait in each wave."""
    waves = {}
    for name, pages in summary.counters.items():
        word, *wave = name.split()
        if word == WAITING:
            waves[Wave(*map(int, wave))] = pages
    return waves


def _rows(frontier: Frontier) -> Iterator[pa.RecordBatch]:
    pages = frontier.foreign_pages()
    while some := list(islice(pages, ROWS_PER_READ)):
        columns = zip(*((page.shard, page.url, *page.wave, page.sitemap) for page in some), strict=True)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, FOUND, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=FOUND)


def _pages_for(shard: int, parts: tuple[str, ...]) -> Iterator[Page]:
    for batch in read_batches(parts, rows=ROWS_PER_READ):
        rows = batch.filter(pc.equal(batch.column("shard"), shard))
        for row in rows.to_pylist():
            wave = Wave(row["depth"], row["redirects"])
            yield Page(row["url"], host_key(row["url"]), wave, row["sitemap"])


def progress_path(output: str, shard: int) -> str:
    """Name the file in which a shard tells how far it is."""
    return storage.join(output, f"progress-{shard:02d}.json")


def _tell(path: str, summary: CrawlSummary) -> None:
    storage.write_bytes(path, json.dumps(asdict(summary)).encode())
