"""Verify a dataset as a stranger would: from its files alone."""

import hashlib
import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from PIL import Image

from wit_builder import storage
from wit_builder.errors import UserError
from wit_builder.parts import read_table
from wit_builder.records import Status
from wit_builder.tar import END_OF_ARCHIVE

_IMAGE_EXTENSIONS = ("jpg", "png", "webp")


@dataclass
class CheckReport:
    """What was found in a dataset."""

    shards: int = 0
    samples: int = 0
    defects: list[str] = field(default_factory=list)
    """One line each: the file and what is wrong with it."""
    selected: Counter[int] = field(default_factory=Counter)
    """Samples that each query selected."""
    members: list[tuple[str, str]] = field(default_factory=list)
    """(uid, SHA-256) of every member."""

    @property
    def digest(self) -> str:
        """Name the dataset: SHA-256 over the sorted (uid, member sha256) lines."""
        digest = hashlib.sha256()
        for uid, member in sorted(self.members):
            digest.update(f"{uid} {member}\n".encode())
        return digest.hexdigest()


def list_shards(dataset: str) -> list[str]:
    """List the tars of a dataset, the held-out ones last.

    Raises:
        UserError: there is none.
    """
    tars = storage.list_dir(dataset, ".tar")
    if not tars:
        raise UserError(f"{dataset} has no *.tar; name a folder that `wit shards` wrote")
    return tars + storage.list_dir(storage.join(dataset, "holdout"), ".tar")


def check_dataset(dataset: str, max_pairs_per_query: int | None) -> Iterator[CheckReport]:
    """Check every shard; the report so far is yielded after each.

    Args:
        dataset: folder of shards.
        max_pairs_per_query: no query may have selected more samples; None if unknown.

    Raises:
        UserError: there is no shard.
    """
    report = CheckReport()
    for tar in list_shards(dataset):
        _check_shard(tar, report)
        report.shards += 1
        yield report
    report.defects += [
        f"{sidecar}: its tar is missing"
        for folder in (dataset, storage.join(dataset, "holdout"))
        for sidecar in storage.list_dir(folder, ".parquet")
        if not storage.exists(sidecar.replace(".parquet", ".tar"))
    ]
    for query_id, samples in sorted(report.selected.items()):
        if max_pairs_per_query is not None and samples > max_pairs_per_query:
            report.defects.append(
                f"{dataset}: query {query_id} selected {samples} samples, more than {max_pairs_per_query}"
            )
    yield report


def _check_shard(path: str, report: CheckReport) -> None:
    try:
        samples = _read_samples(path, report)
    except tarfile.TarError as error:
        report.defects.append(f"{path}: no readable tar ({error})")
        return
    sidecar = path.replace(".tar", ".parquet")
    if not storage.exists(sidecar):
        report.defects.append(f"{path}: its sidecar {sidecar} is missing")
        return
    rows = {row["key"]: row for row in read_table(sidecar).to_pylist()}
    good = {key for key, row in rows.items() if row["status"] == Status.SUCCESS}
    for key in sorted(good ^ samples.keys()):
        place = "in the sidecar but not in the tar" if key in good else "in the tar but not in the sidecar"
        report.defects.append(f"{path}: sample {key} is {place}")
    for key in sorted(good & samples.keys()):
        report.defects += [f"{path}: sample {key}: {defect}" for defect in _defects(samples[key], rows[key])]
        uid = rows[key].get("uid") or key  # somebody else's dataset has neither uids nor queries
        report.members += [(uid, _sha256(data)) for data in samples[key].values()]
        report.selected.update(rows[key].get("selected_query_ids") or [])
    report.samples += len(samples)


def _read_samples(path: str, report: CheckReport) -> dict[str, dict[str, bytes]]:
    data = storage.read_bytes(path)
    if not data.endswith(END_OF_ARCHIVE):
        report.defects.append(f"{path}: no end-of-archive blocks; the tar is cut")
    samples: dict[str, dict[str, bytes]] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            key, _, extension = member.name.partition(".")
            content = archive.extractfile(member)
            sample = samples.setdefault(key, {})
            if extension in sample:
                report.defects.append(f"{path}: member {member.name} is there twice")
            sample[extension] = content.read() if content else b""
    return samples


def _defects(sample: dict[str, bytes], row: dict[str, object]) -> Iterator[str]:
    images = [extension for extension in sample if extension in _IMAGE_EXTENSIONS]
    if len(images) != 1 or not {"txt", "json"} <= sample.keys():
        yield f"its members are {', '.join(sorted(sample))}; it must have one image, txt and json"
        return
    try:
        with Image.open(io.BytesIO(sample[images[0]])) as image:
            image.load()
    except (OSError, ValueError) as error:
        yield f"its image cannot be decoded ({error})"
    if sample["txt"].decode("utf-8", "replace") != row["caption"]:
        yield "its txt is not the sidecar's caption"
    try:
        if json.loads(sample["json"]).get("uid") != row.get("uid"):
            yield "its json has another uid than the sidecar"
    except ValueError as error:
        yield f"its json cannot be read ({error})"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
