"""Shards: the image store's rows become a mixed, deduplicated WebDataset.

Shard and position are a hash of the uid, so the same rows give the same bytes
whatever the order they come in. Formats are img2dataset's: {key}.jpg, {key}.txt,
{key}.json, a Parquet sidecar that holds the failures too, and stats.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wit_builder import schemas, storage
from wit_builder.hashing import UInt64s, mix, uid_halves, uid_words
from wit_builder.matches import matches_of, with_selected
from wit_builder.parts import PartSummary, read_summary, write_table
from wit_builder.records import DropReason, Status
from wit_builder.tar import TarWriter
from wit_builder.thresholds import Entries, chosen_by

INDEX_DIGITS = 6
"""A key is the shard's five digits and so many of the row's index in it."""

_HOLDOUT_SALT = 0x401D
_LOCATION = ["store_file", "store_offset", "store_size"]
_VOLATILE = ("archive", "archive_offset", "captured_at", "fetched_at", *_LOCATION)
"""Fields that two fetches of the same images do not share: they stay in the store's index."""

_SHAPED = [name for name in schemas.FETCHED_IMAGE.names if name not in (*_VOLATILE, "text")]

SIDECAR = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("caption", pa.string(), nullable=False),
        *(schemas.FETCHED_IMAGE.field(name) for name in _SHAPED),
    ]
)

ReadImage = Callable[[str, int, int], bytes]
"""Gives the bytes of an image: store file, offset, size."""


@dataclass(frozen=True, kw_only=True)
class ShardPlan:
    """How many shards there are and how rows find theirs.

    Shards 0 .. train - 1 are for training, the next `holdout` ones are held out.
    """

    train: int
    holdout: int
    holdout_share: float
    seed: int

    @classmethod
    def for_images(cls, images: int, per_shard: int, holdout_share: float, seed: int) -> "ShardPlan":
        """Plan for so many images, about `per_shard` in each shard."""
        held = round(images * holdout_share)
        return cls(
            train=max(1, -(-(images - held) // per_shard)),
            holdout=-(-held // per_shard) if holdout_share else 0,
            holdout_share=holdout_share,
            seed=seed,
        )

    def assign(self, uids: pa.Array) -> tuple[npt.NDArray[np.int64], UInt64s]:
        """Give each row its shard (int64) and its priority in it (uint64), both of shape (n,)."""
        words = uid_words(uids)
        priority = mix(words, self.seed)
        held = _unit(mix(words, self.seed ^ _HOLDOUT_SALT)) < self.holdout_share
        count = np.where(held, self.holdout, self.train)
        shard = np.minimum((_unit(priority) * count).astype(np.int64), count - 1)
        return np.where(held, self.train + shard, shard), priority

    def shard_of(self, batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
        """Give each row of a batch its shard: int64 of shape (n,)."""
        return self.assign(batch.column("uid"))[0]

    def prefix(self, shard: int) -> str:
        """Give the path of a shard inside the dataset, without extension."""
        return f"{shard:05d}" if shard < self.train else f"holdout/{shard - self.train:05d}"


def _unit(values: UInt64s) -> npt.NDArray[np.float64]:
    return (values >> np.uint64(11)).astype(np.float64) / float(2**53)


def bucket_of(batch: pa.RecordBatch, buckets: int) -> npt.NDArray[np.int64]:
    """Group rows so that equal images meet: by SHA-256, rows without one by uid."""
    digests = pc.coalesce(batch.column("sha256"), batch.column("uid"))
    heads = pc.utf8_slice_codeunits(digests, 0, 15).to_pylist()
    return np.array([int(head, 16) % buckets for head in heads], np.int64)


def drop_duplicate_images(rows: pa.Table, seed: int) -> tuple[pa.Table, Mapping[str, int]]:
    """Keep one pair per image and none that its owner refuses.

    Of the pairs whose images have the same bytes the one with the smallest
    (hash, uid) stays. Rows of failed fetches stay, to be reported.

    Args:
        rows: in `schemas.FETCHED_IMAGE`, a bounded number.
        seed: of the hash.

    Returns:
        The rows that stay, sorted by uid, and the dropped ones by reason.
    """
    refused = pc.or_(pc.is_valid(rows.column("opt_out")), pc.is_valid(rows.column("rights")))
    allowed = rows.filter(pc.invert(refused)).sort_by("uid")
    halves = uid_halves(allowed.column("uid"))
    order = np.lexsort((halves[:, 1], halves[:, 0], mix(halves[:, 0], seed)))
    digests = allowed.column("sha256").to_pylist()
    seen: set[str] = set()
    stays = np.ones(allowed.num_rows, dtype=bool)
    for row in order:
        digest = digests[row]
        stays[row] = digest is None or digest not in seen
        if digest is not None:
            seen.add(digest)
    dropped = {
        DropReason.DUPLICATE_IMAGE.value: int((~stays).sum()),
        DropReason.OPTED_OUT.value: rows.num_rows - allowed.num_rows,
    }
    return allowed.filter(pa.array(stays)), {reason: count for reason, count in dropped.items() if count}


def shard_paths(dataset: str, prefix: str) -> dict[str, str]:
    """Name the three files of a shard; the Parquet sidecar is written last and commits it."""
    path = storage.join(dataset, prefix)
    return {"tar": f"{path}.tar", "stats": f"{path}_stats.json", "parquet": f"{path}.parquet"}


def apply_cap(rows: pa.Table, table: Entries, seed: int) -> tuple[pa.Table, Mapping[str, int]]:
    """Keep, for each query, the images up to its last one.

    A reserve selects more pairs than the cap; of those whose image came, each query
    keeps the first by the same order (priority, uid). Rows of failed fetches stay, to be
    reported.

    Args:
        rows: in `schemas.FETCHED_IMAGE`, with distinct images.
        table: last entry of each query, of `thresholds`.
        seed: of the priorities.

    Returns:
        The rows that stay, with the queries that still select them, and the dropped ones by reason.
    """
    (batch,) = rows.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], rows.schema)]
    matches = matches_of(batch, "selected_query_ids")
    success = np.array(batch.column("status").to_pylist()) == Status.SUCCESS
    chosen = matches.where(chosen_by(matches, table, seed) | ~success[matches.rows])
    capped, over = with_selected(batch, chosen)
    over &= success
    dropped = {DropReason.OVER_CAP.value: int(over.sum())} if over.any() else {}
    return pa.Table.from_batches([capped.filter(pa.array(~over))], rows.schema), dropped


def write_shard(
    dataset: str, shard: int, plan: ShardPlan, rows: pa.Table, read_image: ReadImage
) -> PartSummary:
    """Write one shard: tar, stats and sidecar.

    Args:
        dataset: the output folder.
        shard: its number in the plan.
        plan: of the dataset.
        rows: of this shard, in `schemas.FETCHED_IMAGE`, in any order.
        read_image: gives the bytes of an image of the store.

    Returns:
        What the sidecar's footer says.
    """
    paths = shard_paths(dataset, plan.prefix(shard))
    rows = _in_order(rows, plan)
    number = shard if shard < plan.train else shard - plan.train
    keys = [f"{number:05d}{index:0{INDEX_DIGITS}d}" for index in range(rows.num_rows)]
    sidecar = _sidecar(keys, rows)
    dropped: dict[str, int] = {}
    with storage.write_file(paths["tar"]) as handle:
        tar = TarWriter(handle)
        for sample, place in zip(sidecar.to_pylist(), rows.select(_LOCATION).to_pylist(), strict=True):
            if sample["status"] != Status.SUCCESS:
                dropped[sample["status"]] = dropped.get(sample["status"], 0) + 1
                continue
            _add_sample(tar, sample, read_image(*place.values()))
        tar.close()
    summary = PartSummary(len(keys), len(keys) - sum(dropped.values()), dropped)
    _write_json(paths["stats"], _stats(sidecar, summary))
    write_table(paths["parquet"], sidecar, summary)
    return summary


def _in_order(rows: pa.Table, plan: ShardPlan) -> pa.Table:
    halves = uid_halves(rows.column("uid"))
    _, priority = plan.assign(rows.column("uid"))
    return rows.take(pa.array(np.lexsort((halves[:, 1], halves[:, 0], priority))))


def _sidecar(keys: Sequence[str], rows: pa.Table) -> pa.Table:
    columns = [pa.array(keys, pa.string()), rows.column("text"), *(rows.column(name) for name in _SHAPED)]
    return pa.Table.from_arrays(columns, schema=SIDECAR).combine_chunks()


def _add_sample(tar: TarWriter, sample: Mapping[str, Any], image: bytes) -> None:
    key = sample["key"]
    described = json.dumps(sample, ensure_ascii=False, sort_keys=True)
    tar.add(f"{key}.{_extension(image)}", image)
    tar.add(f"{key}.txt", sample["caption"].encode())
    tar.add(f"{key}.json", described.encode())


def _extension(image: bytes) -> str:
    if image.startswith(b"\x89PNG"):
        return "png"
    return "webp" if image.startswith(b"RIFF") else "jpg"


def _stats(sidecar: pa.Table, summary: PartSummary) -> dict[str, Any]:
    statuses = sidecar.column("status").to_pylist()
    errors = sidecar.column("error_message").drop_null().value_counts().to_pylist()
    return {
        "count": summary.rows_in,
        "successes": summary.rows_out,
        "failed_to_download": statuses.count(Status.FAILED_TO_DOWNLOAD),
        "failed_to_resize": statuses.count(Status.FAILED_TO_RESIZE),
        "status_dict": {entry["values"]: entry["counts"] for entry in errors},
    }


def write_sizes(folder: str, sidecars: Sequence[str]) -> int:
    """Write sizes.json, which open_clip reads: samples by tar name; give their sum.

    Args:
        folder: of the shards.
        sidecars: their Parquet files.
    """
    sizes = {
        storage.basename(path).replace(".parquet", ".tar"): read_summary(path).rows_out for path in sidecars
    }
    _write_json(storage.join(folder, "sizes.json"), sizes)
    return sum(sizes.values())


def _write_json(path: str, value: Mapping[str, Any]) -> None:
    storage.write_bytes(path, (json.dumps(value, indent=2, sort_keys=True) + "\n").encode())
