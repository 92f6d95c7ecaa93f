"""Beam half of the fetch: plan a round by site, then fetch its work items."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from wit_builder import rounds, schemas, storage, store
from wit_builder.addresses import agent_with_contact
from wit_builder.download import Downloader, DownloadOptions
from wit_builder.exclude import EXCLUDED, ExcludeList
from wit_builder.fetch import FetchedBytes, FetchOptions, fetch_images
from wit_builder.hashing import UInt64s
from wit_builder.images import ImageFailure, ImageOptions, ProcessedImage
from wit_builder.names import require_names
from wit_builder.parts import PartSummary, part_path, read_batches, read_table, write_table
from wit_builder.records import Status
from wit_builder.rights import RightsOptions
from wit_builder.robots import RobotsPolicy
from wit_builder.sandbox import DecodeLimits, Decoder
from wit_builder.tdm import TdmPolicy
from wit_builder.transforms.parts import ROWS_PER_READ, GatherRows, WorkItem


@dataclass(eq=False)
class MarkSites(beam.PTransform):
    """PCollection[str] of pair parts -> PCollection[tuple[str, UInt64s]].

    The mark of each site that has more URLs than a round takes, and under the empty
    name the number of URLs that this round takes of all sites.
    """

    round_: rounds.Round
    limit: rounds.Limit

    def expand(self, parts: "beam.PCollection[str]") -> "beam.PCollection[tuple[str, UInt64s]]":
        """Mark the sites and add up what they give."""
        sites = parts | _FirstOfSites(self.round_, self.limit)
        marks = sites | "Mark busy sites" >> beam.FlatMap(_mark, self.limit)
        total = (
            sites
            | "URLs taken" >> beam.Map(_taken, self.limit)
            | "Add up" >> beam.CombineGlobally(sum)
            | "Name total" >> beam.Map(_named_total)
        )
        return (marks, total) | "Marks and total" >> beam.Flatten()


@dataclass(eq=False)
class LargestSites(beam.PTransform):
    """PCollection[str] of pair parts -> PCollection[tuple[str, UInt64s]]: sites and about how many URLs."""

    round_: rounds.Round
    limit: rounds.Limit
    number: int

    def expand(self, parts: "beam.PCollection[str]") -> "beam.PCollection[tuple[str, UInt64s]]":
        """Count each site's URLs and keep the largest."""
        return (
            parts
            | _FirstOfSites(self.round_, self.limit)
            | "Count" >> beam.MapTuple(partial(_site_size, limit=self.limit))
            | "Largest" >> beam.combiners.Top.Of(self.number)
            | "One by one" >> beam.FlatMap(_named_sizes)
        )


def _site_size(site: str, hashes: UInt64s, limit: rounds.Limit) -> tuple[int, str]:
    return rounds.estimate(hashes, limit.of(site)), site


def _named_sizes(sizes: list[tuple[int, str]]) -> Iterator[tuple[str, UInt64s]]:
    for urls, site in sizes:
        yield site, np.array([urls], np.uint64)


@dataclass(eq=False)
class _FirstOfSites(beam.PTransform):
    """PCollection[str] of pair parts -> PCollection[tuple[str, UInt64s]]: each site's smallest URL hashes."""

    round_: rounds.Round
    limit: rounds.Limit

    def expand(self, parts: "beam.PCollection[str]") -> "beam.PCollection[tuple[str, UInt64s]]":
        """Take the smallest hashes of each part, then the smallest of those."""
        return (
            parts
            | "Spread" >> beam.Reshuffle()
            | "Hash URLs" >> beam.FlatMap(_hash_part, self.round_, self.limit)
            | "First of site" >> beam.CombinePerKey(_Smallest(self.limit.greatest() + 1))
        )


def _mark(site: tuple[str, UInt64s], limit: rounds.Limit) -> Iterator[tuple[str, UInt64s]]:
    name, hashes = site
    taken = limit.of(name)
    if len(hashes) > taken:
        yield name, hashes[taken - 1 : taken]


def _taken(site: tuple[str, UInt64s], limit: rounds.Limit) -> int:
    return min(len(site[1]), limit.of(site[0]))


def _named_total(urls: int) -> tuple[str, UInt64s]:
    return "", np.array([urls], np.uint64)


def _hash_part(path: str, round_: rounds.Round, limit: rounds.Limit) -> Iterator[tuple[str, UInt64s]]:
    for batch in read_batches([path], ["url"], ROWS_PER_READ):
        yield from rounds.hashes_by_site(batch.column("url").to_pylist(), round_, limit)


class _Smallest(beam.CombineFn):
    def __init__(self, k: int) -> None:
        self._k = k

    def create_accumulator(self) -> UInt64s:
        return rounds.smallest(np.empty(0, np.uint64), self._k)

    def add_input(self, accumulator: UInt64s, hashes: UInt64s) -> UInt64s:
        return rounds.smallest(np.concatenate([accumulator, hashes]), self._k)

    def merge_accumulators(self, accumulators: Iterable[UInt64s]) -> UInt64s:
        return rounds.smallest(np.concatenate(list(accumulators)), self._k)

    def extract_output(self, accumulator: UInt64s) -> UInt64s:
        return accumulator


@dataclass(eq=False)
class PlanItems(beam.PTransform):
    """PCollection[str] of pair parts -> PCollection[PartSummary]: one plan part per work item."""

    round_: rounds.Round
    folder: str
    items: int
    missing: frozenset[int]

    def expand(self, parts: "beam.PCollection[str]") -> "beam.PCollection[PartSummary]":
        """Bring the pairs of an item's sites together."""
        by_item = partial(rounds.items_of, round_=self.round_, items=self.items)
        return (
            parts
            | "By item" >> GatherRows(by_item, self.missing, schemas.MATCHED_PAIR)
            | "Write item" >> beam.ParDo(_WriteItem(self.folder, self.items)).with_output_types(PartSummary)
        )


class _WriteItem(beam.DoFn):
    def __init__(self, folder: str, items: int) -> None:
        self._folder, self._items = folder, items

    def process(self, element: tuple[int, Iterable[pa.RecordBatch]]) -> Iterator[PartSummary]:
        item, batches = element
        rows = pa.Table.from_batches(batches, schemas.MATCHED_PAIR)
        rows = rows.sort_by([("url", "ascending"), ("uid", "ascending")])
        summary = PartSummary(rows.num_rows, rows.num_rows)
        write_table(part_path(self._folder, item, self._items), rows, summary)
        yield summary


@dataclass(frozen=True, kw_only=True)
class FetchSettings:
    """All that decides how a work item is fetched."""

    contact: str
    download: DownloadOptions
    fetch: FetchOptions
    rights: RightsOptions
    images: ImageOptions
    limits: DecodeLimits
    decoders: int
    """Child processes that decode, for each work item."""
    exclude: tuple[str, ...] = ()
    """Exclude lists."""


@dataclass
class FetchImages:
    """Fetches the images of one work item into one part of the store."""

    settings: FetchSettings
    order: rounds.Round
    """The seed and the sites; its marks do not count."""

    def setup(self) -> None:
        """Read the exclude lists; the decoders are children of a work item."""
        self._exclude = ExcludeList.read(self.settings.exclude)

    def run(self, item: WorkItem) -> PartSummary:
        """Fetch one item: each URL once, however many pairs share it."""
        plan = item.inputs[0]
        table = read_table(plan)
        rows, entries = table.to_pylist(), self._exclude.grounds(table).to_pylist()
        requests = self._requests([row for row, entry in zip(rows, entries, strict=True) if not entry])
        agent_with_contact(self.settings.contact, requests)  # no site of others without one
        require_names(requests)
        folder, _, name = item.output.removesuffix(".parquet").rpartition("/")
        tars: list[str] = []
        with store.told_when_full(folder):
            with store.write_store_tar(folder, name, tars) as writer:
                outcomes = asyncio.run(self._fetch_all(requests, writer))
            _write_left(left_path(plan), rounds.first_left(requests, outcomes, self.order))
            located = [
                _index_row(row, _EXCLUDED if entry else outcomes[row["url"]], tars[0])
                for row, entry in zip(rows, entries, strict=True)
                if entry or row["url"] in outcomes
            ]
            summary = PartSummary(len(located), len(located), counters=outcome_counts(located))
            store.commit_index(folder, name, pa.Table.from_pylist(located, schemas.FETCHED_IMAGE), summary)
        return summary

    def _requests(self, rows: list[dict[str, Any]]) -> dict[str, str | None]:
        """List the URLs in the order of the site's hashes, with the opt-out of their pages."""
        grounds: dict[str, str | None] = {}
        for row in rows:  # a URL is asked for if any of its pages allows it
            grounds[row["url"]] = row["opt_out"] and grounds.get(row["url"], row["opt_out"])
        return dict(sorted(grounds.items(), key=lambda item: rounds.url_hash(item[0], self.order.seed)))

    async def _fetch_all(
        self, requests: Mapping[str, str | None], writer: store.StoreWriter
    ) -> Mapping[str, dict[str, Any]]:
        """Fetch all that the time allows; give index columns by URL."""
        settings, outcomes = self.settings, dict[str, dict[str, Any]]()
        agent = agent_with_contact(settings.contact, requests)
        async with Downloader(replace(settings.download, user_agent=agent)) as downloader:
            policy = TdmPolicy(downloader.get, RobotsPolicy(downloader.get, agent))
            results = fetch_images(
                requests.items(), downloader, policy, settings.fetch, settings.rights, self.order.rates
            )
            turn = asyncio.Lock()

            async def decode_some(decoder: Decoder) -> None:
                while True:
                    async with turn:
                        fetched = await anext(results, None)
                    if fetched is None:
                        return
                    outcomes[fetched.url] = await self._store_image(fetched, decoder, writer)

            with ExitStack() as children:
                async with aclosing(results):
                    decoders = [Decoder(settings.images, settings.limits) for _ in range(settings.decoders)]
                    await asyncio.gather(*(decode_some(children.enter_context(one)) for one in decoders))
        return outcomes

    async def _store_image(
        self, fetched: FetchedBytes, decoder: Decoder, writer: store.StoreWriter
    ) -> dict[str, Any]:
        """Decode, resize and store one image; give the index columns that tell of it."""
        outcome: dict[str, Any] = {
            "status": fetched.status.value,
            "error_message": fetched.error_message,
            "rights": fetched.rights,
            "rights_set_aside": fetched.rights_set_aside,
            "fetched_at": fetched.fetched_at,
        }
        if fetched.status is not Status.SUCCESS:
            return outcome
        image = await asyncio.to_thread(decoder.process, fetched.body)
        if isinstance(image, ImageFailure):
            return {**outcome, "status": Status.FAILED_TO_RESIZE.value, "error_message": image.error.value}
        if self._exclude.names_image(image.sha256, image.phash):
            return {**outcome, **_EXCLUDED}
        place = writer.append(image.data, self.settings.images.encode_format)
        told = {name: getattr(image, name) for name in _TOLD}
        return {**outcome, **told, "store_offset": place.offset, "store_size": place.size}


_EXCLUDED = {"status": Status.FAILED_TO_DOWNLOAD.value, "error_message": EXCLUDED}

_TOLD = tuple(name for name in ProcessedImage.__dataclass_fields__ if name != "data")
"""Columns of the index that are fields of an image."""


def _index_row(row: dict[str, Any], outcome: Mapping[str, Any], tar: str) -> dict[str, Any]:
    stored = "store_offset" in outcome
    return {**row, **outcome, "store_file": tar if stored else None}


def outcome_counts(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Count rows by "success" or by their error."""
    return dict(Counter(row["error_message"] or row["status"] for row in rows))


def left_path(plan: str) -> str:
    """Name the file in which a work item says what it left for the next round."""
    return f"{plan.removesuffix('.parquet')}.left.json"


def _write_left(path: str, marks: Mapping[str, int]) -> None:
    """Write marks by site; it comes before the index, which commits it."""
    if marks:
        storage.write_bytes(path, json.dumps(marks).encode())
    else:
        storage.remove(path)
