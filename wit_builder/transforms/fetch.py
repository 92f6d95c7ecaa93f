"""Beam half of the fetch: plan a round by host, then fetch its work items."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import apache_beam as beam
import cv2
import numpy as np
import pyarrow as pa

from wit_builder import rounds, schemas, store
from wit_builder.addresses import agent_with_contact
from wit_builder.download import Downloader, DownloadOptions
from wit_builder.fetch import FetchedBytes, FetchOptions, fetch_images
from wit_builder.hashing import UInt64s
from wit_builder.images import ImageFailure, ImageOptions, process_image
from wit_builder.parts import PartSummary, part_path, read_batches, read_table, write_table
from wit_builder.records import Status
from wit_builder.robots import RobotsPolicy
from wit_builder.transforms.parts import ROWS_PER_READ, GatherRows, WorkItem, count_progress


@dataclass(eq=False)
class MarkHosts(beam.PTransform):
    """PCollection[str] of pair parts -> PCollection[tuple[str, UInt64s]].

    The mark of each host that has more URLs than a round takes, and under the empty
    name the number of URLs that this round takes of all hosts.
    """

    round_: rounds.Round
    limit: int

    def expand(self, parts: "beam.PCollection[str]") -> "beam.PCollection[tuple[str, UInt64s]]":
        """Take the smallest hashes of each part, then the smallest of those."""
        hosts = (
            parts
            | "Spread" >> beam.Reshuffle()
            | "Hash URLs" >> beam.FlatMap(_hash_part, self.round_, self.limit)
            | "First of host" >> beam.CombinePerKey(_Smallest(self.limit + 1))
        )
        marks = hosts | "Mark busy hosts" >> beam.FlatMap(_mark, self.limit)
        total = (
            hosts
            | "URLs taken" >> beam.Map(_taken, self.limit)
            | "Add up" >> beam.CombineGlobally(sum)
            | "Name total" >> beam.Map(_named_total)
        )
        return (marks, total) | "Marks and total" >> beam.Flatten()


def _mark(host: tuple[str, UInt64s], limit: int) -> Iterator[tuple[str, UInt64s]]:
    name, hashes = host
    if len(hashes) > limit:
        yield name, hashes[limit - 1 : limit]


def _taken(host: tuple[str, UInt64s], limit: int) -> int:
    return min(len(host[1]), limit)


def _named_total(urls: int) -> tuple[str, UInt64s]:
    return "", np.array([urls], np.uint64)


def _hash_part(path: str, round_: rounds.Round, limit: int) -> Iterator[tuple[str, UInt64s]]:
    for batch in read_batches([path], ["url"], ROWS_PER_READ):
        yield from rounds.hashes_by_host(batch.column("url").to_pylist(), round_, limit)


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
        """Bring the pairs of an item's hosts together."""
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


@dataclass
class FetchImages:
    """Fetches the images of one work item into one part of the store."""

    contact: str
    download: DownloadOptions
    fetch: FetchOptions
    images: ImageOptions

    def setup(self) -> None:
        """Leave the cores to the other workers: OpenCV would start a thread for each."""
        cv2.setNumThreads(1)

    def run(self, item: WorkItem) -> PartSummary:
        """Fetch one item: each URL once, however many pairs share it."""
        rows = read_table(item.inputs[0]).to_pylist()
        agent_with_contact(self.contact, (row["url"] for row in rows))  # no site of others without one
        folder, _, name = item.output.removesuffix(".parquet").rpartition("/")
        tars: list[str] = []
        with store.write_store_tar(folder, name, tars) as writer:
            outcomes = asyncio.run(self._fetch_all(rows, writer))
        located = [_index_row(row, outcomes[row["url"]], tars[0]) for row in rows]
        summary = PartSummary(len(rows), len(rows))
        store.commit_index(folder, name, pa.Table.from_pylist(located, schemas.FETCHED_IMAGE), summary)
        count_progress("FetchImages", summary)
        return summary

    async def _fetch_all(
        self, rows: list[dict[str, Any]], writer: store.StoreWriter
    ) -> Mapping[str, dict[str, Any]]:
        grounds: dict[str, str | None] = {}
        for row in rows:  # a URL is asked for if any of its pages allows it
            grounds[row["url"]] = row["opt_out"] and grounds.get(row["url"], row["opt_out"])
        outcomes: dict[str, dict[str, Any]] = {}
        async with Downloader(self.download) as downloader:
            robots = RobotsPolicy(downloader.get, self.download.user_agent)
            async for fetched in fetch_images(grounds.items(), downloader, robots, self.fetch):
                outcomes[fetched.url] = await asyncio.to_thread(_store_image, fetched, self.images, writer)
        return outcomes


def _store_image(fetched: FetchedBytes, options: ImageOptions, writer: store.StoreWriter) -> dict[str, Any]:
    """Decode, resize and store one image; give the index columns that tell of it."""
    outcome: dict[str, Any] = {
        "status": fetched.status.value,
        "error_message": fetched.error_message,
        "rights": fetched.rights,
        "fetched_at": fetched.fetched_at,
    }
    if fetched.status is not Status.SUCCESS:
        return outcome
    image = process_image(fetched.body, options)
    if isinstance(image, ImageFailure):
        return {**outcome, "status": Status.FAILED_TO_RESIZE.value, "error_message": image.error.value}
    place = writer.append(image.data, options.encode_format)
    return {
        **outcome,
        "sha256": image.sha256,
        "phash": image.phash,
        "phash_quality": image.phash_quality,
        "width": image.width,
        "height": image.height,
        "original_width": image.original_width,
        "original_height": image.original_height,
        "store_offset": place.offset,
        "store_size": place.size,
    }


def _index_row(row: dict[str, Any], outcome: Mapping[str, Any], tar: str) -> dict[str, Any]:
    stored = "store_offset" in outcome
    return {**row, **outcome, "store_file": tar if stored else None}
