"""What every benchmark is: rows against a named peer, printed, and JSON on demand."""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One measure of ours and of a peer in the same run."""

    name: str
    unit: str
    ours: float
    peer: float
    peer_name: str
    ratio: float
    peak_mb: float


def rate(work: Callable[[], object], items: int, repeats: int = 3) -> float:
    """Give items per second: the best of some repeats, by the clock."""
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return items / best


def compare(name: str, unit: str, ours: float, peer: float, peer_name: str) -> Row:
    """Make a row of two rates; the peak is this process's so far."""
    peak_mb = getrusage(RUSAGE_SELF).ru_maxrss / 1024
    return Row(
        name, unit, round(ours, 1), round(peer, 1), peer_name, round(ours / peer, 2), round(peak_mb, 1)
    )


def report(title: str, rows: list[Row]) -> None:
    """Print the rows; with `--json FILE` also write them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    path = parser.parse_known_args()[0].json  # a benchmark may have options of its own
    table = Table("what", "unit", "ours", "peer", "peer's name", "ratio", "peak MB", title=title)
    for row in rows:
        table.add_row(
            *(f"{value:,}" if isinstance(value, float) else value for value in asdict(row).values())
        )
    Console().print(table)
    if path:
        path.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
