"""Shards: distinct images become a mixed WebDataset.

Shard and position are a hash of the uid, so the same rows give the same bytes
whatever the order they come in. What an exclude list names is left out last of all:
nothing else moves, and nothing is refilled.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wit_builder import storage
from wit_builder.exclude import ExcludeList
from wit_builder.hashing import UInt64s, mix, uid_halves, uid_words
from wit_builder.matches import matches_of, with_selected
from wit_builder.parts import PartSummary
from wit_builder.ranges import Piece
from wit_builder.shard_files import HOLDOUT, LOCATION, are_samples, shard_paths, sidecar_of, write_files
from wit_builder.thresholds import Entries, chosen_by

_HOLDOUT_SALT = 0x401D

Shards = npt.NDArray[np.int64]

ReadImages = Callable[[list[Piece]], Iterator[bytes]]
"""Gives the bytes of images of the store, in the order asked for."""


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

    @property
    def shards(self) -> int:
        """All of them."""
        return self.train + self.holdout

    def assign(self, uids: pa.Array) -> tuple[Shards, UInt64s]:
        """Give each row its shard (int64) and its priority in it (uint64), both of shape (n,)."""
        priority = mix(uid_words(uids), self.seed)
        held = are_held_out(uids, self.holdout_share, self.seed)
        count = np.where(held, self.holdout, self.train)
        shard = np.minimum((_unit(priority) * count).astype(np.int64), count - 1)
        return np.where(held, self.train + shard, shard), priority

    def in_order(self, rows: pa.Table) -> tuple[pa.Table, Shards]:
        """Sort rows by shard and position; give the shard of each, too."""
        halves = uid_halves(rows.column("uid"))
        shards, priority = self.assign(rows.column("uid"))
        order = np.lexsort((halves[:, 1], halves[:, 0], priority, shards))
        return rows.take(pa.array(order)), shards[order]

    def prefix(self, shard: int) -> str:
        """Give the path of a shard inside the dataset, without extension."""
        return f"{self.number(shard):05d}" if shard < self.train else f"{HOLDOUT}/{self.number(shard):05d}"

    def number(self, shard: int) -> int:
        """Give the number of a shard in its folder."""
        return shard if shard < self.train else shard - self.train


def are_held_out(uids: pa.Array, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Tell which of n pairs are held out: bool of shape (n,)."""
    return _unit(mix(uid_words(uids), seed ^ _HOLDOUT_SALT)) < share


def _unit(values: UInt64s) -> npt.NDArray[np.float64]:
    return (values >> np.uint64(11)).astype(np.float64) / float(2**53)


@dataclass(frozen=True)
class ShardRuns:
    """Runs of neighbouring shards, each small enough to be sorted at once."""

    shards: int
    runs: int

    def run_of(self, shards: Shards) -> Shards:
        """Give the run of each of n shards: int64 of shape (n,)."""
        return shards * self.runs // self.shards

    def members(self, run: int) -> range:
        """Give the shards of a run."""
        first, last = (-(-number * self.shards // self.runs) for number in (run, run + 1))
        return range(first, last)


def apply_cap(rows: pa.Table, table: Entries, seed: int) -> tuple[pa.Table, pa.Table]:
    """Keep, for each query, the images up to its last one.

    A reserve selects more pairs than the cap; of those whose image came, each query
    keeps the first by the same order (priority, uid). Rows of failed fetches stay, to be
    reported.

    Args:
        rows: in `schemas.UNIQUE_IMAGE`, with distinct images.
        table: last entry of each query, of `thresholds`.
        seed: of the priorities.

    Returns:
        The rows that stay, with the queries that still select them, and the others.
    """
    (batch,) = rows.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], rows.schema)]
    matches = matches_of(batch, "selected_query_ids")
    success = are_samples(rows)
    chosen = matches.where(chosen_by(matches, table, seed) | ~success[matches.rows])
    capped, over = with_selected(batch, chosen)
    over &= success
    return pa.Table.from_batches([capped.filter(pa.array(~over))], rows.schema), rows.filter(pa.array(over))


def write_shard(
    dataset: str, shard: int, plan: ShardPlan, rows: pa.Table, read_images: ReadImages, exclude: ExcludeList
) -> PartSummary:
    """Write one shard: tar, stats and sidecar.

    Args:
        dataset: the output folder.
        shard: its number in the plan.
        plan: of the dataset.
        rows: of this shard, in `schemas.UNIQUE_IMAGE` and its order.
        read_images: gives the bytes of images of the store.
        exclude: what is left out; the others keep their keys.

    Returns:
        What the sidecar's footer says.
    """
    sidecar = sidecar_of(rows, plan.number(shard))
    stays = pc.is_null(exclude.grounds(sidecar))
    sidecar, rows = sidecar.filter(stays), rows.filter(stays)
    places = rows.filter(pa.array(are_samples(rows))).select(LOCATION).to_pylist()
    images = read_images([Piece(*place.values()) for place in places])
    excluded = len(stays) - rows.num_rows
    return write_files(shard_paths(dataset, plan.prefix(shard)), sidecar, images, excluded)


def shard_of(sidecar: str, plan: ShardPlan) -> int:
    """Give the number in the plan of the shard with this sidecar."""
    folder, _, name = sidecar.rpartition("/")
    number = int(name.partition(".")[0])
    return number + plan.train if storage.basename(folder) == HOLDOUT else number
