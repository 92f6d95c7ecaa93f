"""The three files of a shard, in img2dataset's shape: tar, stats and a Parquet sidecar.

A sample is {key}.jpg, {key}.txt and {key}.json; the sidecar holds a row for each
sample and each failure. It is written last and commits the shard.
"""

import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wit_builder import schemas, storage
from wit_builder.parts import PartSummary, read_summary, read_table, write_table
from wit_builder.records import DropReason, Status
from wit_builder.tar import TarWriter

INDEX_DIGITS = 6
"""A key is the shard's five digits and so many of the row's index in it."""

LOCATION = ["store_file", "store_offset", "store_size"]
_VOLATILE = ("archive", "archive_offset", "captured_at", "fetched_at", *LOCATION)
"""Fields that two fetches of the same images do not share: they stay in the store's index."""

_SHAPED = [name for name in schemas.UNIQUE_IMAGE.names if name not in (*_VOLATILE, "text")]

SIDECAR = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("caption", pa.string(), nullable=False),
        *(schemas.UNIQUE_IMAGE.field(name) for name in _SHAPED),
    ]
)

HOLDOUT = "holdout"
"""Folder of the held-out shards in a dataset."""


def shard_paths(dataset: str, prefix: str) -> dict[str, str]:
    """Name the files of a shard."""
    path = storage.join(dataset, prefix)
    return {"tar": f"{path}.tar", "stats": f"{path}_stats.json", "parquet": f"{path}.parquet"}


def sidecar_of(rows: pa.Table, number: int) -> pa.Table:
    """Give the rows of a shard their keys.

    Args:
        rows: in `schemas.UNIQUE_IMAGE`, in the shard's order.
        number: of the shard in its folder.

    Returns:
        Table in `SIDECAR`.
    """
    keys = [f"{number:05d}{index:0{INDEX_DIGITS}d}" for index in range(rows.num_rows)]
    columns = [pa.array(keys, pa.string()), rows.column("text"), *(rows.column(name) for name in _SHAPED)]
    return pa.Table.from_arrays(columns, schema=SIDECAR).combine_chunks()


def are_samples(rows: pa.Table) -> npt.NDArray[np.bool_]:
    """Tell which of n rows have an image: bool of shape (n,)."""
    found: npt.NDArray[np.bool_] = pc.equal(rows.column("status"), Status.SUCCESS.value).to_numpy()
    return found


def write_files(
    paths: Mapping[str, str], sidecar: pa.Table, images: Iterable[bytes], excluded: int
) -> PartSummary:
    """Write a shard.

    Args:
        paths: of its files.
        sidecar: its rows.
        images: of the rows that have one, in their order.
        excluded: rows that an exclude list has taken out of it.

    Returns:
        What the sidecar's footer says.
    """
    with storage.write_file(paths["tar"]) as handle:
        tar = TarWriter(handle)
        samples = sidecar.filter(pa.array(are_samples(sidecar)))
        described = (sample for batch in samples.to_batches(1_000) for sample in batch.to_pylist())
        for sample, image in zip(described, images, strict=True):
            _add_sample(tar, sample, image)
        tar.close()
    return _commit(paths, sidecar, excluded)


def _add_sample(tar: TarWriter, sample: Mapping[str, Any], image: bytes) -> None:
    key = sample["key"]
    described = json.dumps(sample, ensure_ascii=False, sort_keys=True)
    tar.add(f"{key}.{extension_of(image)}", image)
    tar.add(f"{key}.txt", sample["caption"].encode())
    tar.add(f"{key}.json", described.encode())


def extension_of(image: bytes) -> str:
    """Give the file extension of an image that we have encoded."""
    if image.startswith(b"\x89PNG"):
        return "png"
    return "webp" if image.startswith(b"RIFF") else "jpg"


def _commit(paths: Mapping[str, str], sidecar: pa.Table, excluded: int) -> PartSummary:
    statuses = pc.value_counts(sidecar.column("status")).to_pylist()
    dropped = {entry["values"]: entry["counts"] for entry in statuses}
    samples = dropped.pop(Status.SUCCESS.value, 0)
    if excluded:
        dropped[DropReason.EXCLUDED.value] = excluded
    summary = PartSummary(sidecar.num_rows + excluded, samples, dict(sorted(dropped.items())))
    write_json(paths["stats"], _stats(sidecar, summary))
    write_table(paths["parquet"], sidecar, summary)
    return summary


def _stats(sidecar: pa.Table, summary: PartSummary) -> dict[str, Any]:
    errors = sidecar.column("error_message").drop_null().value_counts().to_pylist()
    return {
        "count": sidecar.num_rows,
        "successes": summary.rows_out,
        "failed_to_download": summary.dropped.get(Status.FAILED_TO_DOWNLOAD, 0),
        "failed_to_resize": summary.dropped.get(Status.FAILED_TO_RESIZE, 0),
        "status_dict": {entry["values"]: entry["counts"] for entry in errors},
    }


def remove_samples(path: str, uids: pa.Array) -> PartSummary:
    """Write a shard again without some of its rows; the others keep their keys and bytes.

    Args:
        path: of its sidecar.
        uids: of the rows that go; those that are gone already do not matter.
    """
    folder, _, name = path.rpartition("/")
    paths = shard_paths(folder, name.removesuffix(".parquet"))
    before = read_summary(paths["parquet"])
    rows = read_table(paths["parquet"])
    goes = pc.is_in(rows.column("uid"), uids)
    sidecar = rows.filter(pc.invert(goes)).cast(SIDECAR)  # Parquet has other names inside lists
    keys = frozenset(rows.column("key").filter(goes).to_pylist())
    with storage.open_read(paths["tar"]) as old, storage.write_file(paths["tar"]) as new:
        tar = TarWriter(new)
        for name, data in read_members(old):
            if name.partition(".")[0] not in keys:
                tar.add(name, data)
        tar.close()
    excluded = before.dropped.get(DropReason.EXCLUDED, 0) + rows.num_rows - sidecar.num_rows
    return _commit(paths, sidecar, excluded)


def read_members(handle: Any) -> Iterator[tuple[str, bytes]]:
    """Stream the files of an open tar: name and content.

    Raises:
        tarfile.TarError: it is none.
    """
    with tarfile.open(fileobj=handle, mode="r|") as archive:
        for member in archive:
            content = archive.extractfile(member)
            yield member.name, content.read() if content else b""


def write_sizes(folder: str, sidecars: Sequence[str]) -> int:
    """Write sizes.json, which open_clip reads: samples by tar name; give their sum.

    Args:
        folder: of the shards.
        sidecars: their Parquet files.
    """
    sizes = {
        storage.basename(path).replace(".parquet", ".tar"): read_summary(path).rows_out for path in sidecars
    }
    write_json(storage.join(folder, "sizes.json"), sizes)
    return sum(sizes.values())


def write_json(path: str, value: Mapping[str, Any]) -> None:
    """Write a small JSON file, complete or not at all."""
    storage.write_bytes(path, (json.dumps(value, indent=2, sort_keys=True) + "\n").encode())
