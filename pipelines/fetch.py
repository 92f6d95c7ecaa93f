"""Pairs -> image store: host by host, politely, each URL once."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import apache_beam as beam
import numpy as np

from pipelines.cli import main_of
from pipelines.options import MAX_SEED, option, require
from pipelines.session import Session, Stage, Watch
from wit_builder import storage, store
from wit_builder.addresses import agent_with_contact
from wit_builder.download import DownloadOptions
from wit_builder.fetch import FetchOptions
from wit_builder.images import ImageOptions
from wit_builder.manifest import require_complete, sum_footers
from wit_builder.parts import list_parts, part_path, read_batches
from wit_builder.rounds import Round
from wit_builder.transforms.arrays import SaveArrays, load_arrays
from wit_builder.transforms.fetch import FetchImages, MarkHosts, PlanItems
from wit_builder.transforms.parts import WorkItem

ITEM_SECONDS = 600
"""A work item is bounded: a host's share of it takes so long at its rate."""

UNLIMITED_RATE = 1_000.0
"""Requests per second reckoned with for a host without a limit."""


@dataclass(frozen=True, kw_only=True)
class FetchStageOptions:
    """Options of `wit fetch`."""

    pairs: str = option("Folder that `wit balance` wrote.", path=True)
    output: str = option("Folder for the image store.", path=True)
    contact: str = option("E-mail or web address for site owners; part of the User-Agent.", "", path=True)
    urls_per_item: int = option("About so many URLs make one work item.", 2_000)
    max_urls_per_host: int | None = option(
        "At most so many URLs of a host in one round (default: what its rate allows in ten minutes).", None
    )
    seed: int = option("Of the order in which a host's URLs are taken.", 0)
    download: DownloadOptions = field(default_factory=DownloadOptions)
    fetch: FetchOptions = field(default_factory=FetchOptions)
    images: ImageOptions = field(default_factory=ImageOptions)

    def __post_init__(self) -> None:
        require("urls_per_item", self.urls_per_item, 1)
        require("seed", self.seed, 0, MAX_SEED)
        if self.max_urls_per_host is not None:
            require("max_urls_per_host", self.max_urls_per_host, 1)

    @property
    def host_limit(self) -> int:
        """Distinct URLs of one host in one round."""
        rate = self.download.requests_per_second or UNLIMITED_RATE
        return self.max_urls_per_host or math.ceil(ITEM_SECONDS * rate)


def run(options: FetchStageOptions, session: Session) -> dict[str, Any]:
    """Fetch round after round until every URL was asked for once.

    Raises:
        UserError: the pairs are missing or unfinished, or no contact is given for hosts that are not local.
    """
    pairs = require_complete(options.pairs, "balance")
    parts = list_parts(options.pairs)
    agent = agent_with_contact(options.contact, _some_urls(parts))
    options = replace(options, download=replace(options.download, user_agent=agent))
    stage = Stage("fetch", options.output, options, {"pairs": pairs["fingerprint"]}, session)
    if not stage.begin(f"{pairs['counts']['rows_out']:,} pairs"):
        return stage.manifest()
    store_folder = storage.join(options.output, "store")
    store.sweep_orphans(store_folder)
    marks: Mapping[str, int] | None = None
    rounds = 0
    while marks is None or marks:
        marks = _run_round(stage, options, parts, rounds, marks)
        rounds += 1
    store.sweep_orphans(store_folder)
    indexes = list_parts(store_folder)
    facts = {**pairs["facts"], "rounds": rounds}
    return stage.finish(sum_footers(indexes), indexes, facts, pairs["counts"]["rows_out"])


def _some_urls(parts: list[str]) -> list[str]:
    """List a thousand URLs, enough to see whose sites will be asked."""
    batch = next(read_batches(parts, ["url"]), None)
    return batch.column("url").to_pylist() if batch else []


def _run_round(
    stage: Stage, options: FetchStageOptions, parts: list[str], number: int, after: Mapping[str, int] | None
) -> Mapping[str, int]:
    """Plan and fetch one round; give the marks of the hosts that have URLs left."""
    folder = storage.join(options.output, "plan", f"round-{number:03d}")
    upto, urls = _marks(stage, options, parts, folder, Round(options.seed, after, {}))
    items = max(1, math.ceil(urls / options.urls_per_item))
    plans = [part_path(folder, index, items) for index in range(items)]
    missing = frozenset(index for index, name in enumerate(plans) if not storage.exists(name))
    if missing:
        round_ = Round(options.seed, after, upto)

        def build(pipeline: beam.Pipeline) -> None:
            pipeline | "Pairs" >> beam.Create(parts) | PlanItems(round_, folder, items, missing)

        stage.session.run("Plan work items", build, len(parts), Watch(folder, items))
    work = [
        WorkItem((plan,), storage.join(options.output, "store", f"part-{number:03d}-{index:05d}.parquet"))
        for index, plan in enumerate(plans)
    ]
    label = "Fetch images" if number == 0 else f"Fetch images, round {number + 1}"
    stage.build_parts(
        label, FetchImages(options.contact, options.download, options.fetch, options.images), work
    )
    return upto


def _marks(
    stage: Stage, options: FetchStageOptions, parts: list[str], folder: str, round_: Round
) -> tuple[Mapping[str, int], int]:
    """Find the last URL hash that each busy host gives to this round, and how many URLs there are."""
    path = storage.join(folder, "hosts.npz")
    if not storage.exists(path):

        def build(pipeline: beam.Pipeline) -> None:
            (
                pipeline
                | "Pairs" >> beam.Create(parts)
                | MarkHosts(round_, options.host_limit)
                | SaveArrays(path)
            )

        stage.session.run("Count URLs by host", build, len(parts))
    table = load_arrays(path)
    urls = int(table.pop("", np.zeros(1, np.uint64))[0])
    return {host: int(mark[0]) for host, mark in table.items()}, urls


if __name__ == "__main__":
    main_of("pipelines.fetch")
