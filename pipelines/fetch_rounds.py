"""The rounds of a fetch: plan one by site, fetch it, take up what it left in the next."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import apache_beam as beam
import numpy as np

from pipelines.session import Stage, Watch
from wit_builder import storage
from wit_builder.parts import part_path, read_summary
from wit_builder.records import Status
from wit_builder.rounds import Limit, Round
from wit_builder.transforms.arrays import SaveArrays, load_arrays
from wit_builder.transforms.fetch import FetchImages, FetchSettings, MarkSites, PlanItems, left_path
from wit_builder.transforms.parts import WorkItem

_ERRORS_TOLD = 3


@dataclass(frozen=True)
class Rounds:
    """What all rounds of a fetch share."""

    stage: Stage
    settings: FetchSettings
    limit: Limit
    order: Round
    """The seed and the sites; its marks do not count."""
    urls_per_item: int

    def run(self, parts: list[str], first: int = 0) -> int:
        """Fetch the pairs of some parts, round after round, until no URL is left.

        Args:
            parts: of pairs.
            first: number of the first round.

        Returns:
            The number of the next round.
        """
        after: Mapping[str, int] | None = None
        number = first
        while after is None or after:
            after = self._run_one(parts, number, after)
            number += 1
        return number

    def _run_one(self, parts: list[str], number: int, after: Mapping[str, int] | None) -> Mapping[str, int]:
        """Plan and fetch one round; give the marks of the sites that have URLs left."""
        folder = storage.join(self.stage.output, "plan", f"round-{number:03d}")
        upto, urls = self._marks(parts, folder, replace(self.order, after=after))
        items = max(1, math.ceil(urls / self.urls_per_item))
        plans = [part_path(folder, index, items) for index in range(items)]
        self._plan(parts, replace(self.order, after=after, upto=upto), folder, plans)
        store = storage.join(self.stage.output, "store")
        prefix = f"part-{number:03d}-"
        work = [
            WorkItem((plan,), storage.join(store, f"{prefix}{index:05d}.parquet"))
            for index, plan in enumerate(plans)
        ]
        label = "Fetch images" if number == 0 else f"Fetch images, round {number + 1}"
        watch = FetchWatch(store, items, prefix=prefix)
        self.stage.build_parts(label, FetchImages(self.settings, self.order), work, watch)
        if watch.told() and not self.stage.session.console.is_terminal:
            self.stage.session.console.print(f"  {watch.told()}", highlight=False)
        return {**upto, **_left(plans)}

    def _marks(self, parts: list[str], folder: str, round_: Round) -> tuple[Mapping[str, int], int]:
        """Find the last URL hash that each busy site gives to this round, and how many URLs there are."""
        path = storage.join(folder, "sites.npz")
        if not storage.exists(path):

            def build(pipeline: beam.Pipeline) -> None:
                pipeline | "Pairs" >> beam.Create(parts) | MarkSites(round_, self.limit) | SaveArrays(path)

            self.stage.session.run("Count URLs by site", build, len(parts))
        table = load_arrays(path)
        urls = int(table.pop("", np.zeros(1, np.uint64))[0])
        return {site: int(mark[0]) for site, mark in table.items()}, urls

    def _plan(self, parts: list[str], round_: Round, folder: str, plans: list[str]) -> None:
        missing = frozenset(index for index, name in enumerate(plans) if not storage.exists(name))
        if missing:

            def build(pipeline: beam.Pipeline) -> None:
                pipeline | "Pairs" >> beam.Create(parts) | PlanItems(round_, folder, len(plans), missing)

            self.stage.session.run("Plan work items", build, len(parts), Watch(folder, len(plans)))


def _left(plans: list[str]) -> dict[str, int]:
    """Read the marks of the sites that work items left unfinished."""
    folder = plans[0].rpartition("/")[0]
    named = set(map(left_path, plans))
    marks: dict[str, int] = {}
    for path in storage.list_dir(folder, ".left.json"):
        if path in named:
            marks.update(json.loads(storage.read_bytes(path)))
    return marks


@dataclass(frozen=True)
class FetchWatch(Watch):
    """The parts of one round and what became of their images."""

    prefix: str = ""
    seen: dict[str, Mapping[str, int]] = field(default_factory=dict)

    def committed(self) -> int:
        """Count the parts of the round, and read the new ones' footers."""
        for path in storage.list_dir(self.folder, self.suffix):
            if storage.basename(path).startswith(self.prefix) and path not in self.seen:
                self.seen[path] = read_summary(path).counters
        return len(self.seen)

    def told(self) -> str:
        """Tell the share of successes and the most frequent errors."""
        self.committed()
        total: Counter[str] = Counter()
        for counters in self.seen.values():
            total.update(counters)
        rows = total.total()
        good = total.pop(Status.SUCCESS.value, 0)
        errors = [f"{word} {number:,}" for word, number in total.most_common(_ERRORS_TOLD)]
        return ", ".join([f"{rows:,} pairs, {good / rows:.0%} with an image", *errors]) if rows else ""
