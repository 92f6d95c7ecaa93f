"""Pairs balanced per second: `wit balance` against MetaCLIP's way, on synthetic matches.

MetaCLIP's way, in one process: read the pairs, count matches with NumPy, give each query the
probability cap / count, and in a Python loop keep a pair if random.random() < p for any of its
queries. It removes no duplicates, and its choice changes from run to run. It is measured on at
most a million pairs. "decide" is the choice alone, on pairs in memory, by one core each.

    python -m tests.bench.bench_balance --pairs 1000000 10000000 --folder DIR
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from tests.bench.processes import Usage, run_measured
from tests.bench.synthetic import QUERIES, scaled_cap, write_matches
from tests.bench.table import Row, compare, rate, report
from wit_builder import balance, thresholds
from wit_builder.balance import Rule
from wit_builder.matches import count_slices, join_slices, matches_of
from wit_builder.parts import list_parts, read_table

PEERS_MOST = 1_000_000
PEER = "MetaCLIP's way"


def main() -> None:
    """Make the matches, balance them, print the rows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, nargs="+", default=[200_000])
    parser.add_argument("--folder", type=Path, help="keep the matches and the output here")
    options, rest = parser.parse_known_args()
    sys.argv[1:] = rest
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        for pairs in options.pairs:
            folder = (options.folder or Path(temporary)) / str(pairs)
            if not (folder / "match" / "_SUCCESS").exists():
                write_matches(folder / "match", pairs)
            rows += bench(folder, pairs)
    report("balance: synthetic matches with the published head and tail", rows)


def bench(folder: Path, pairs: int) -> list[Row]:
    """Measure one size."""
    cap = scaled_cap(pairs)
    usage = run_balance(folder, cap, len(list((folder).glob("out-*"))))
    parts = list_parts(str(folder / "match"))
    tables: list[pa.Table] = []
    while parts and sum(table.num_rows for table in tables) < PEERS_MOST:
        tables.append(read_table(parts.pop(0)))
    sample = pa.concat_tables(tables)
    path = folder / "peer-sample.parquet"
    pq.write_table(sample, path, compression="zstd")
    peer = rate(lambda: metaclip(path, cap), sample.num_rows, repeats=1)
    ours = pairs / usage.seconds
    whole = Row(
        f"balance {pairs:,}",
        "pairs/s",
        round(ours, 1),
        round(peer, 1),
        PEER,
        round(ours / peer, 2),
        round(usage.peak_mb, 1),
    )
    Console().print(
        f"{pairs:,} pairs, cap {cap:,}: {usage.seconds:.1f} s, {usage.seconds / pairs * 1e6:.2f} µs a pair; "
        f"processor {usage.cpu_seconds / pairs * 1e6:.2f} µs a pair; largest process {usage.peak_mb:.0f} MB",
        highlight=False,
    )
    return [whole, decide(sample, cap)]


def run_balance(folder: Path, cap: int, number: int) -> Usage:
    """Run `wit balance` as a user would."""
    command = ["balance", "--matches", folder / "match", "--output", folder / f"out-{number}"]
    return run_measured(
        [sys.executable, "-m", "pipelines.cli", *map(str, command), "--max-pairs-per-query", str(cap)]
    )


def metaclip(path: Path, cap: int) -> None:
    """Balance a file of pairs as MetaCLIP does."""
    table = pq.read_table(path)
    lists = table.column("matched_query_ids").to_pylist()
    probability = probabilities(lists, cap)
    kept = [row for row, ids in enumerate(lists) if sampled(ids, probability)]
    pq.write_table(table.take(pa.array(kept)), path.with_name("peer.parquet"), compression="zstd")


def probabilities(lists: list[list[int]], cap: int) -> list[float]:
    """Give each query's chance to keep a match."""
    counts = np.zeros(QUERIES, np.int64)
    for ids in lists:
        counts[ids] += 1
    share: list[float] = np.minimum(1.0, cap / np.maximum(counts, 1)).tolist()
    return share


def sampled(ids: list[int], probability: list[float]) -> bool:
    """Tell whether any query keeps the pair."""
    return any(random.random() < probability[query] for query in ids)


def decide(sample: pa.Table, cap: int) -> Row:
    """Measure the choice alone, thresholds and probabilities at hand."""
    batches = sample.combine_chunks().to_batches(10_000)
    ids = [matches_of(batch, "matched_query_ids").ids for batch in batches]
    counts = join_slices(count_slices(ids, QUERIES), QUERIES)
    rule = Rule(thresholds.expected_table(counts, cap), 0)
    lists = sample.column("matched_query_ids").to_pylist()
    probability = probabilities(lists, cap)
    ours = rate(lambda: [balance.choose(batch, rule) for batch in batches], sample.num_rows)
    peer = rate(lambda: [sampled(ids, probability) for ids in lists], sample.num_rows)
    return compare(f"decide {sample.num_rows:,}", "pairs/s", ours, peer, PEER)


if __name__ == "__main__":
    main()
