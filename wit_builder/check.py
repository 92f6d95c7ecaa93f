"""Verify a dataset as a stranger would: from its files alone."""

import hashlib
import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from PIL import Image

from wit_builder import storage
from wit_builder.errors import UserError
from wit_builder.parts import read_table
from wit_builder.records import Status
from wit_builder.shard_files import HOLDOUT, read_members
from wit_builder.sorted_lines import SortedLines
from wit_builder.tar import END_OF_ARCHIVE

_IMAGE_EXTENSIONS = ("jpg", "png", "webp")
_KEPT_DEFECTS = 1_000

Sample = dict[str, bytes]
"""Content of a sample's members by extension."""


@dataclass
class CheckReport:
    """What was found in a dataset."""

    shards: int = 0
    samples: int = 0
    members: int = 0
    digest: str = ""
    """SHA-256 over the sorted (uid, member sha256) lines, once all is read."""
    selected: Counter[int] = field(default_factory=Counter)
    """Samples that each query selected."""
    defects: list[str] = field(default_factory=list)
    """One line each: the file and what is wrong with it; no more than the first thousand."""
    defect_count: int = 0

    def add(self, defect: str) -> None:
        """Note a defect."""
        self.defect_count += 1
        if len(self.defects) < _KEPT_DEFECTS:
            self.defects.append(defect)


def list_shards(dataset: str) -> list[str]:
    """List the tars of a dataset, the held-out ones last.

    Raises:
        UserError: there is none.
    """
    tars = storage.list_dir(dataset, ".tar")
    if not tars:
        raise UserError(f"{dataset} has no *.tar; name a folder that `wit shards` wrote")
    return tars + storage.list_dir(storage.join(dataset, HOLDOUT), ".tar")


def check_dataset(dataset: str, max_pairs_per_query: int | None) -> Iterator[CheckReport]:
    """Check every shard, then what shards have in common; the report so far is yielded after each.

    Args:
        dataset: folder of shards.
        max_pairs_per_query: no query may have selected more samples; None if unknown.

    Raises:
        UserError: there is no shard.
    """
    report = CheckReport()
    with ExitStack() as stack:
        members, uids, originals = (stack.enter_context(SortedLines()) for _ in range(3))
        check = _Check(report, members, uids, originals)
        sizes: dict[str, int] = {}
        for tar in list_shards(dataset):
            before = report.samples
            check.shard(tar)
            sizes[tar] = report.samples - before
            report.shards += 1
            yield report
        _check_folders(dataset, sizes, report)
        for query_id, samples in sorted(report.selected.items()):
            if max_pairs_per_query is not None and samples > max_pairs_per_query:
                report.add(
                    f"{dataset}: query {query_id} selected {samples} samples, more than {max_pairs_per_query}"
                )
        for what, lines in (("pair", uids), ("image with SHA-256", originals)):
            _check_twice(what, lines, report)
        digest = hashlib.sha256()
        for line in members:
            digest.update(line.encode())
        report.digest = digest.hexdigest()
    yield report


def _check_folders(dataset: str, sizes: Mapping[str, int], report: CheckReport) -> None:
    """Check what lies beside the tars: sidecars without a tar, sizes.json, stats."""
    for folder in (dataset, storage.join(dataset, HOLDOUT)):
        for sidecar in storage.list_dir(folder, ".parquet"):
            tar = sidecar.replace(".parquet", ".tar")
            if not storage.exists(tar):
                report.add(f"{sidecar}: its tar is missing")
        here = {storage.basename(tar): count for tar, count in sizes.items() if _folder(tar) == folder}
        path = storage.join(folder, "sizes.json")
        if here and storage.exists(path) and _json(path) != here:
            report.add(f"{path}: it does not tell the samples of the tars beside it")
        for tar, count in here.items():
            stats = storage.join(folder, tar.replace(".tar", "_stats.json"))
            if storage.exists(stats) and _json(stats).get("successes") != count:
                report.add(f"{stats}: it does not tell the {count} samples of {tar}")


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _json(path: str) -> dict[str, Any]:
    try:
        found = json.loads(storage.read_bytes(path))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _check_twice(what: str, lines: SortedLines, report: CheckReport) -> None:
    """Find what two samples have in common, in lines of a name, a tab and a place."""
    for name, same in groupby(lines, lambda line: line.partition("\t")[0]):
        places = [line.rstrip("\n").partition("\t")[2] for line in same]
        for place in places[1:]:
            report.add(f"{place}: {what} {name} is also {places[0]}")


@dataclass
class _Check:
    """Checks shard by shard, and collects what only all of them together can tell."""

    report: CheckReport
    members: SortedLines
    uids: SortedLines
    originals: SortedLines

    def shard(self, path: str) -> None:
        sidecar = path.replace(".tar", ".parquet")
        rows: dict[str, dict[str, Any]] = {}
        if storage.exists(sidecar):
            rows = {row["key"]: row for row in read_table(sidecar).to_pylist()}
        else:
            self.report.add(f"{path}: its sidecar {sidecar} is missing")
        good = {key for key, row in rows.items() if row["status"] == Status.SUCCESS}
        seen: set[str] = set()
        try:
            for key, sample in self._samples(path):
                if key in seen:
                    self.report.add(f"{path}: the members of sample {key} do not stand together")
                seen.add(key)
                if key in good:
                    self._sample(path, key, sample, rows[key])
        except tarfile.TarError as error:
            self.report.add(f"{path}: no readable tar ({error})")
            return
        for key in sorted(good ^ seen) if rows else ():
            there = (
                "in the sidecar but not in the tar" if key in good else "in the tar but not in the sidecar"
            )
            self.report.add(f"{path}: sample {key} is {there}")
        self.report.samples += len(seen)

    def _samples(self, path: str) -> Iterator[tuple[str, Sample]]:
        """Stream the samples of a tar: key and members."""
        size = storage.size(path)
        if (
            storage.read_range(path, max(0, size - len(END_OF_ARCHIVE)), len(END_OF_ARCHIVE))
            != END_OF_ARCHIVE
        ):
            self.report.add(f"{path}: no end-of-archive blocks; the tar is cut")
        with storage.open_read(path) as handle:
            for key, group in groupby(read_members(handle), lambda member: member[0].partition(".")[0]):
                sample: Sample = {}
                for name, content in group:
                    extension = name.partition(".")[2]
                    if extension in sample:
                        self.report.add(f"{path}: member {name} is there twice")
                    sample[extension] = content
                yield key, sample

    def _sample(self, path: str, key: str, sample: Sample, row: Mapping[str, Any]) -> None:
        for defect in _defects(sample, row):
            self.report.add(f"{path}: sample {key}: {defect}")
        uid = row.get("uid") or key  # somebody else's dataset has neither uids nor queries
        for content in sample.values():
            self.members.add(f"{uid} {hashlib.sha256(content).hexdigest()}")
        self.report.members += len(sample)
        for name, lines in (("uid", self.uids), ("sha256", self.originals)):
            if row.get(name):
                lines.add(f"{row[name]}\t{path}: sample {key}")
        self.report.selected.update(row.get("selected_query_ids") or [])


def _defects(sample: Sample, row: Mapping[str, Any]) -> Iterator[str]:
    images = [extension for extension in sample if extension in _IMAGE_EXTENSIONS]
    if len(images) != 1 or not {"txt", "json"} <= sample.keys():
        yield f"its members are {', '.join(sorted(sample))}; it must have one image, txt and json"
        return
    try:
        with Image.open(io.BytesIO(sample[images[0]])) as image:
            image.load()
            if row.get("width") and image.size != (row["width"], row["height"]):
                yield f"its image is {image.width} x {image.height}, not {row['width']} x {row['height']}"
    except (OSError, ValueError) as error:
        yield f"its image cannot be decoded ({error})"
    if sample["txt"].decode("utf-8", "replace") != row["caption"]:
        yield "its txt is not the sidecar's caption"
    try:
        if json.loads(sample["json"]).get("uid") != row.get("uid"):
            yield "its json has another uid than the sidecar"
    except ValueError as error:
        yield f"its json cannot be read ({error})"
