"""Web sites -> WARC files, politely; hosts are divided over shards; resumable."""

import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import apache_beam as beam

from pipelines.cli import main_of
from pipelines.session import Session, Stage, Watch
from wit_builder import storage
from wit_builder.crawl import open_frontier, seal
from wit_builder.crawl_options import CrawlOptions
from wit_builder.crawler import Round
from wit_builder.judge import Judge
from wit_builder.manifest import require_complete, sum_footers
from wit_builder.outcomes import BY_ROBOTS
from wit_builder.parts import PartSummary, part_path, read_batches, read_summary
from wit_builder.transforms.crawl import (
    BYTES,
    REQUESTS,
    UNCHANGED,
    CrawlShards,
    ShardItem,
    progress_path,
    waiting_of,
)
from wit_builder.transforms.parts import ROWS_PER_READ, BuildParts
from wit_builder.visits import Wave

__all__ = ["CrawlOptions", "run"]

Waiting = Mapping[Wave, Sequence[int]]
"""Pages that wait in each wave, by shard."""


def run(options: CrawlOptions, session: Session) -> dict[str, Any]:
    """Crawl to the end, or go on where a crawl was ended.

    Raises:
        UserError: the output folder holds another run, the earlier crawl is missing, or no page could be had.
    """
    inputs, earlier = {}, list[str]()
    if options.recrawl:
        before = require_complete(options.recrawl, "crawl")
        inputs["recrawl"] = before["fingerprint"]
        earlier = [os.path.abspath(options.recrawl), *before["facts"]["earlier"]]
    stage = Stage("crawl", options.output, options, inputs, session)
    if not stage.begin(f"{len(options.seeds)} seeds"):
        return stage.manifest()
    parts = _crawl(stage, options)
    for shard in range(options.shards):
        _seal(options, shard)
    total = sum_footers(parts)
    facts = {
        "requests": total.counters.get(REQUESTS, 0),
        "robots_denied": sum(total.dropped.get(outcome, 0) for outcome in BY_ROBOTS.values()),
        "waiting": sum(waiting_of(total).values()),
        "earlier": earlier,
    }
    counters = {name: total.counters.get(name, 0) for name in (BYTES, UNCHANGED)}
    archives = storage.list_dir(options.output, ".warc.gz")
    return stage.finish(replace(total, counters=counters), archives, facts)


def archives_of(output: str, recrawl: str) -> list[str]:
    """Name the WARC files, as globs, that hold the pages of a crawl: those of earlier crawls too.

    Args:
        output: the crawl's folder, which need not be there.
        recrawl: the earlier crawl's, or empty.
    """
    earlier = [recrawl, *require_complete(recrawl, "crawl")["facts"]["earlier"]] if recrawl else []
    return [storage.join(folder, "*.warc.gz") for folder in (output, *earlier)]


def _crawl(stage: Stage, options: CrawlOptions) -> list[str]:
    """Do round after round; give the parts of the last one."""
    if options.shards == 1:
        return _run_round(stage, options, [Round()], ())
    seeds = [len(Judge(options, shard).seeds()) for shard in range(options.shards)]
    waiting: Waiting = {Wave(0, 0): seeds}
    asked = [0] * options.shards
    parts: list[str] = []
    number = 0
    while waiting and (left := options.max_pages - sum(asked)) > 0:
        wave = min(waiting)
        shares = share(left, waiting[wave])
        limits = [before + more for before, more in zip(asked, shares, strict=True)]
        rounds = [Round(shard, number, wave, limit) for shard, limit in enumerate(limits)]
        parts = _run_round(stage, options, rounds, tuple(parts))
        footers = [read_summary(part) for part in parts]
        asked = [footer.counters.get(REQUESTS, 0) for footer in footers]
        waiting = _waiting(footers, parts)
        number += 1
    return parts


def _run_round(
    stage: Stage, options: CrawlOptions, rounds: Sequence[Round], before: tuple[str, ...]
) -> list[str]:
    folder = storage.join(options.output, "rounds", f"{rounds[0].number:05d}")
    parts = [part_path(folder, shard, len(rounds)) for shard in range(len(rounds))]
    items = [ShardItem(before, part, round_=round_) for part, round_ in zip(parts, rounds, strict=True)]
    missing = [item for item in items if not storage.exists(item.output)]
    wave = rounds[0].wave
    label = f"Crawl, depth {wave.depth}" if wave else "Crawl"

    def build(pipeline: beam.Pipeline) -> None:
        pipeline | "Shards" >> beam.Create(missing) | "Crawl" >> BuildParts(CrawlShards(options))

    if missing:
        watch = CrawlWatch(options.output, options.max_pages, shards=options.shards)
        stage.session.run(label, build, len(missing), watch)
    return parts


def share(left: int, waiting: Sequence[int]) -> list[int]:
    """Divide the requests that are left among shards, by the pages that wait there.

    What a division leaves over goes to the shards that are nearest to one more.
    """
    total = sum(waiting)
    if total <= left:
        return list(waiting)
    shares = [left * pages // total for pages in waiting]
    nearest = sorted(range(len(waiting)), key=lambda shard: (-(left * waiting[shard] % total), shard))
    for shard in nearest[: left - sum(shares)]:
        shares[shard] += 1
    return shares


def _waiting(footers: Sequence[PartSummary], parts: Sequence[str]) -> Waiting:
    """Count the pages that wait; those that were found for another shard may wait there already."""
    counts: dict[Wave, Counter[int]] = {}
    for shard, footer in enumerate(footers):
        for wave, pages in waiting_of(footer).items():
            counts.setdefault(wave, Counter())[shard] += pages
    for batch in read_batches(parts, ["shard", "depth", "redirects"], ROWS_PER_READ):
        for row in batch.to_pylist():
            counts.setdefault(Wave(row["depth"], row["redirects"]), Counter())[row["shard"]] += 1
    return {wave: [pages[shard] for shard in range(len(footers))] for wave, pages in counts.items()}


def _seal(options: CrawlOptions, shard: int) -> None:
    frontier = open_frontier(options, Round(shard))
    try:
        seal(Path(options.output), shard, frontier)
    finally:
        frontier.close()
    storage.remove(progress_path(options.output, shard))


@dataclass(frozen=True)
class CrawlWatch(Watch):
    """What the shards tell of themselves while they crawl."""

    shards: int = 1
    began: float = field(default_factory=time.monotonic)
    first: list[int] = field(default_factory=list)
    """Requests made before."""

    def committed(self) -> int:
        """Count the requests."""
        return min(self.total, sum(int(told["asked"]) for told in self._told()))

    def note(self) -> str:
        """Say how fast it goes, what waits and what failed."""
        told = self._told()
        asked = sum(one["asked"] for one in told)
        self.first[:] = self.first or [asked]
        rate = (asked - self.first[0]) / max(time.monotonic() - self.began, 1.0)
        failures = sum((Counter(one["failures"]) for one in told), Counter[str]())
        reasons = "".join(f", {reason} {pages:,}" for reason, pages in failures.most_common())
        return f"{rate:.1f} pages/s, {sum(one['waiting'] for one in told):,} waiting{reasons}"

    def _told(self) -> list[dict[str, Any]]:
        paths = [progress_path(self.folder, shard) for shard in range(self.shards)]
        return [json.loads(storage.read_bytes(path)) for path in paths if storage.exists(path)]


if __name__ == "__main__":
    main_of("pipelines.crawl")
