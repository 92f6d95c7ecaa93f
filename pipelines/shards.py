"""Image store -> mixed, deduplicated WebDataset shards with Parquet sidecars."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.cli import main_of
from pipelines.options import MAX_SEED, REJECTS, REJECTS_HELP, option, require, require_one_of
from pipelines.session import Session, Stage
from pipelines.shards_steps import ShardsSteps
from wit_builder import storage
from wit_builder.errors import UserError
from wit_builder.exclude import ExcludeList
from wit_builder.manifest import require_complete, sum_footers
from wit_builder.parts import list_parts
from wit_builder.removal import lists_of
from wit_builder.shard_files import HOLDOUT, write_sizes
from wit_builder.shards import ShardPlan
from wit_builder.transforms.shards import CAPPED, DISTINCT, UNIQUE, Rejects

_NEAR_DUPLICATES = ("drop", "keep")


@dataclass(frozen=True, kw_only=True)
class ShardsOptions:
    """Options of `wit shards`."""

    store: str = option("Folder that `wit fetch` wrote.", path=True)
    output: str = option("Folder for the dataset.", path=True)
    samples_per_shard: int = option("About so many samples in a shard.", 10_000)
    holdout: float = option("Share of the images kept out of training, in OUTPUT/holdout.", 0.0)
    near_duplicates: str = option(
        "drop or keep images whose PDQ hashes differ in at most 16 bits; a held-out one near a training "
        "one goes in any case.",
        "drop",
    )
    merge_texts: bool = option("Keep the texts of exact duplicates beside the one that stays.", False)
    exclude: tuple[str, ...] = option(
        "Files of uid:, url:, host:, sha256: and phash: lines that stay out. May be repeated.", (), path=True
    )
    seed: int = option("Another seed mixes otherwise.", 0)
    rejects: str = option(REJECTS_HELP, "sample")

    def __post_init__(self) -> None:
        require("samples_per_shard", self.samples_per_shard, 1)
        require("seed", self.seed, 0, MAX_SEED)
        require_one_of("rejects", self.rejects, REJECTS)
        require_one_of("near_duplicates", self.near_duplicates, _NEAR_DUPLICATES)
        if not 0 <= self.holdout < 1:
            raise UserError(f"holdout is {self.holdout}; use a share from 0 up to, not including, 1")


def run(options: ShardsOptions, session: Session) -> dict[str, Any]:
    """Drop duplicate images, apply the cap if more was selected, then write every shard.

    Raises:
        UserError: the store is missing or unfinished, an exclude list is none, or no image is left.
    """
    fetched = require_complete(options.store, "fetch")
    store, rows = storage.join(options.store, "store"), fetched["counts"]["rows_out"]
    inputs = {"store": fetched["fingerprint"], "exclude": ExcludeList.read(options.exclude).digest}
    stage = Stage("shards", options.output, options, inputs, session)
    if not stage.begin(f"{rows:,} rows of the store"):
        return stage.manifest()
    rejects = Rejects(storage.join(options.output, "rejects"), options.rejects == "all")
    steps = ShardsSteps(stage, list_parts(store), options.seed, rejects)
    drop_near = options.near_duplicates == "drop"
    compare = drop_near or options.holdout > 0
    parts = steps.keep_one_per_image(
        merge_texts=options.merge_texts,
        honour_pages=_honours_pages(fetched),
        holdout=options.holdout,
        compare=compare,
    )
    summary = sum_footers(parts)
    if compare:
        parts, distinct = steps.drop_near_duplicates(parts, across=not drop_near)
        summary = summary.then(distinct)
    if fetched["facts"].get("reserve_factor", 1) > 1:
        parts = steps.cap(parts, fetched["facts"])
        summary = summary.then(sum_footers(parts))
    images = next(summary.counters[name] for name in (CAPPED, DISTINCT, UNIQUE) if name in summary.counters)
    plan = ShardPlan.for_images(images, options.samples_per_shard, options.holdout, options.seed)
    removed = lists_of(options.output)
    sidecars = steps.write(parts, plan, store, (*options.exclude, *removed))
    facts = {**fetched["facts"], "shards": plan.train, "holdout_shards": plan.holdout}
    facts |= _sizes(options.output, sidecars, plan) | {"version": 1 + len(removed)}
    done = stage.finish(summary.then(sum_footers(sidecars)), sidecars, facts, rows)
    steps.clear()
    return done


def _honours_pages(fetched: Mapping[str, Any]) -> bool:
    """Tell whether the fetch was told to honour what pages say of their images."""
    honoured: list[str] = fetched["options"].get("rights", {}).get("honour", ["page"])
    return "page" in honoured


def _sizes(dataset: str, sidecars: list[str], plan: ShardPlan) -> dict[str, int]:
    trained, held = sidecars[: plan.train], sidecars[plan.train :]
    samples = write_sizes(dataset, trained)
    return {
        "samples": samples,
        "holdout_samples": write_sizes(storage.join(dataset, HOLDOUT), held) if held else 0,
    }


if __name__ == "__main__":
    main_of("pipelines.shards")
