"""Matched pairs -> at most so many pairs per query, exactly and repeatably."""

import math
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import pyarrow.parquet as pq

from pipelines.cli import main_of
from pipelines.options import MAX_SEED, REJECTS, REJECTS_HELP, option, require, require_one_of
from pipelines.session import Session, Stage, Watch
from wit_builder import balance, storage
from wit_builder.manifest import require_complete, sum_footers
from wit_builder.parts import list_parts, part_path
from wit_builder.transforms.arrays import Arrays, SaveArrays, SavedArray, load_arrays
from wit_builder.transforms.balance import CountQueries, DeduplicatePairs, FindThresholds, SelectPairs
from wit_builder.transforms.parts import WorkItem

ROWS_PER_PART = 200_000


@dataclass(frozen=True, kw_only=True)
class BalanceOptions:
    """Options of `wit balance`."""

    matches: str = option("Folder that `wit match` wrote.", path=True)
    output: str = option("Folder for the chosen pairs.", path=True)
    max_pairs_per_query: int = option("At most so many pairs are selected by one query.", 20_000)
    seed: int = option("Another seed chooses other pairs.", 0)
    rejects: str = option(REJECTS_HELP, "sample")

    def __post_init__(self) -> None:
        require_one_of("rejects", self.rejects, REJECTS)
        require("max_pairs_per_query", self.max_pairs_per_query, 1)
        require("seed", self.seed, 0, MAX_SEED)


def run(options: BalanceOptions, session: Session) -> dict[str, Any]:
    """Deduplicate, count, find thresholds, select, and count again.

    Raises:
        UserError: the matches are missing or unfinished.
    """
    matches = require_complete(options.matches, "match")
    queries = matches["facts"]["queries"]
    stage = Stage("balance", options.output, options, {"matches": matches["fingerprint"]}, session)
    buckets = max(1, math.ceil(matches["counts"]["rows_out"] / ROWS_PER_PART))
    if not stage.begin(f"{matches['counts']['rows_out']:,} pairs in {buckets} parts"):
        return stage.manifest()
    distinct = _deduplicate(stage, options, buckets)
    counts = _count(stage, "Count matches", distinct, "matched_query_ids", queries)
    table, saved = _thresholds(stage, options, distinct, counts)
    names = [part_path(options.output, index, buckets) for index in range(buckets)]
    items = [WorkItem((part,), name) for part, name in zip(distinct, names, strict=True)]
    stage.build_parts("Select pairs", SelectPairs(saved, options.seed, options.rejects == "all"), items)
    selected = _count(stage, "Count selected", names, "selected_query_ids", queries)
    kept = _count(stage, "Count kept", names, "matched_query_ids", queries)
    report = balance.query_counts(counts, selected, kept, table)
    with storage.write_file(storage.join(options.output, "query_counts.parquet")) as handle:
        pq.write_table(report, handle, compression="zstd")
    summary = sum_footers(distinct).then(sum_footers(names))
    facts = {**matches["facts"], **_facts(options, counts, selected)}
    return stage.finish(summary, names, facts, matches["counts"]["rows_out"])


def _facts(options: BalanceOptions, counts: balance.Counts, selected: balance.Counts) -> dict[str, Any]:
    head = counts > options.max_pairs_per_query
    return {
        "max_pairs_per_query": options.max_pairs_per_query,
        "matches": int(counts.sum()),
        "matches_selected": int(selected.sum()),
        "queries_matched": int((counts > 0).sum()),
        "head_queries": int(head.sum()),
        "head_share_before": round(float(counts[head].sum() / max(1, counts.sum())), 6),
        "head_share_after": round(float(selected[head].sum() / max(1, selected.sum())), 6),
    }


def _deduplicate(stage: Stage, options: BalanceOptions, buckets: int) -> list[str]:
    folder = storage.join(options.output, "distinct")
    names = [part_path(folder, index, buckets) for index in range(buckets)]
    missing = frozenset(index for index, name in enumerate(names) if not storage.exists(name))
    if missing:
        parts = list_parts(options.matches)

        def build(pipeline: beam.Pipeline) -> None:
            pipeline | "Matches" >> beam.Create(parts) | DeduplicatePairs(folder, buckets, missing)

        width = max(len(parts), len(missing))
        stage.session.run("Remove duplicate pairs", build, width, Watch(folder, buckets))
    return names


def _count(stage: Stage, label: str, parts: list[str], column: str, queries: int) -> balance.Counts:
    slices = _gather(stage, label, parts, CountQueries(column, queries))
    return balance.join_slices(((int(number), counts) for number, counts in slices.items()), queries)


def _gather(stage: Stage, label: str, parts: list[str], transform: beam.PTransform) -> Arrays:
    path = storage.join(stage.output, "work", f"{label.lower().replace(' ', '_')}.npz")

    def build(pipeline: beam.Pipeline) -> None:
        pipeline | "Parts" >> beam.Create(parts) | transform | SaveArrays(path)

    stage.session.run(label, build, len(parts))
    return load_arrays(path)


def _thresholds(
    stage: Stage, options: BalanceOptions, distinct: list[str], counts: balance.Counts
) -> tuple[balance.Entries, SavedArray]:
    cap = options.max_pairs_per_query
    limits = balance.sampling_limits(counts, cap)
    last: dict[int, balance.Entries] = {}
    while limits.any():
        saved = SavedArray.save(limits, storage.join(options.output, "work", "limits.npy"))
        found = _gather(stage, "Find thresholds", distinct, FindThresholds(saved, cap, options.seed))
        for query, entries in found.items():
            if len(entries):
                last[int(query)] = entries[0]
                limits[int(query)] = 0
        limits[limits > 0] = balance.EVERYTHING  # a query left short is redone unfiltered
    table = balance.threshold_table(len(counts), last.items())
    return table, SavedArray.save(table, storage.join(options.output, "work", "thresholds.npy"))


if __name__ == "__main__":
    main_of("pipelines.balance")
