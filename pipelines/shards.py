"""Image store -> mixed, deduplicated WebDataset shards with Parquet sidecars."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import apache_beam as beam

from pipelines.cli import main_of
from pipelines.options import MAX_SEED, option, require
from pipelines.passes import Passes
from pipelines.session import Session, Stage, Watch
from wit_builder import storage
from wit_builder.errors import UserError
from wit_builder.manifest import require_complete, sum_footers
from wit_builder.parts import list_parts, part_path
from wit_builder.shards import ShardPlan, shard_paths, write_sizes
from wit_builder.transforms.parts import WorkItem
from wit_builder.transforms.shards import (
    CAPPED_IMAGES,
    FETCHED_MATCHES,
    IMAGES,
    CapImages,
    DropDuplicateImages,
    WriteShards,
)

ROWS_PER_BUCKET = 200_000


@dataclass(frozen=True, kw_only=True)
class ShardsOptions:
    """Options of `wit shards`."""

    store: str = option("Folder that `wit fetch` wrote.", path=True)
    output: str = option("Folder for the dataset.", path=True)
    samples_per_shard: int = option("About so many samples in a shard.", 10_000)
    holdout: float = option("Share of the images kept out of training, in OUTPUT/holdout.", 0.0)
    seed: int = option("Another seed mixes otherwise.", 0)

    def __post_init__(self) -> None:
        require("samples_per_shard", self.samples_per_shard, 1)
        require("seed", self.seed, 0, MAX_SEED)
        if not 0 <= self.holdout < 1:
            raise UserError(f"holdout is {self.holdout}; use a share from 0 up to, not including, 1")


def run(options: ShardsOptions, session: Session) -> dict[str, Any]:
    """Drop duplicate images, apply the cap if more was selected, then write every shard.

    Raises:
        UserError: the store is missing or unfinished, or no image is left.
    """
    fetched = require_complete(options.store, "fetch")
    indexes = list_parts(storage.join(options.store, "store"))
    stage = Stage("shards", options.output, options, {"store": fetched["fingerprint"]}, session)
    if not stage.begin(f"{fetched['counts']['rows_out']:,} rows of the store"):
        return stage.manifest()
    unique = _drop_duplicates(stage, options, indexes, fetched["counts"]["rows_out"])
    summary = sum_footers(unique)
    if fetched["facts"].get("reserve_factor", 1) > 1:
        unique = _apply_cap(stage, unique, fetched["facts"])
        summary = summary.then(sum_footers(unique))
    images = summary.counters.get(CAPPED_IMAGES, summary.counters.get(IMAGES, 0))
    plan = ShardPlan.for_images(images, options.samples_per_shard, options.holdout, options.seed)
    sidecars = _write(stage, options, plan, unique)
    trained, held = sidecars[: plan.train], sidecars[plan.train :]
    samples = write_sizes(options.output, trained)
    held_out = write_sizes(storage.join(options.output, "holdout"), held) if held else 0
    summary = summary.then(sum_footers(sidecars))
    facts = {
        "shards": plan.train,
        "holdout_shards": plan.holdout,
        "samples": samples,
        "holdout_samples": held_out,
    }
    return stage.finish(summary, sidecars, {**fetched["facts"], **facts}, fetched["counts"]["rows_out"])


def _drop_duplicates(stage: Stage, options: ShardsOptions, indexes: list[str], rows: int) -> list[str]:
    buckets = max(1, math.ceil(rows / ROWS_PER_BUCKET))
    folder = storage.join(options.output, "unique")
    names = [part_path(folder, index, buckets) for index in range(buckets)]
    missing = frozenset(index for index, name in enumerate(names) if not storage.exists(name))
    if missing:

        def build(pipeline: beam.Pipeline) -> None:
            (
                pipeline
                | "Store" >> beam.Create(indexes)
                | DropDuplicateImages(folder, buckets, options.seed, missing)
            )

        width = max(len(indexes), len(missing))
        stage.session.run("Remove duplicate images", build, width, Watch(folder, buckets))
    return names


def _apply_cap(stage: Stage, unique: list[str], facts: Mapping[str, Any]) -> list[str]:
    """Cap what was fetched: balance selected more, so that failures leave enough.

    Args:
        stage: of the shards.
        unique: parts with distinct images.
        facts: of the balance.
    """
    folder = storage.join(stage.output, "capped")
    items = [WorkItem((part,), storage.join(folder, storage.basename(part))) for part in unique]
    work = storage.join(stage.output, "work")
    inputs = [WorkItem((), part) for part in unique]
    passes = Passes(stage.session, work, inputs, FETCHED_MATCHES, facts["balance_seed"])
    counts = passes.count("Count images", facts["queries"])
    table = passes.save("thresholds", passes.exact_table(counts, facts["max_pairs_per_query"]))
    stage.build_parts("Apply the cap", CapImages(table, facts["balance_seed"]), items)
    return [item.output for item in items]


def _write(stage: Stage, options: ShardsOptions, plan: ShardPlan, unique: list[str]) -> list[str]:
    prefixes = [plan.prefix(shard) for shard in range(plan.train + plan.holdout)]
    sidecars = [shard_paths(options.output, prefix)["parquet"] for prefix in prefixes]
    missing = frozenset(shard for shard, path in enumerate(sidecars) if not storage.exists(path))
    if missing:
        store = storage.join(options.store, "store")

        def build(pipeline: beam.Pipeline) -> None:
            pipeline | "Unique" >> beam.Create(unique) | WriteShards(options.output, store, plan, missing)

        width = max(len(unique), len(missing))
        stage.session.run("Write shards", build, width, Watch(options.output, plan.train))
    return sidecars


if __name__ == "__main__":
    main_of("pipelines.shards")
