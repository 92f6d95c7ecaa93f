"""Draw pairs per query before and after balance, one panel a mode: `wit balance plot`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.cli import main_of
from pipelines.figure import write_figure
from pipelines.options import option
from pipelines.session import Session
from wit_builder import storage
from wit_builder.errors import UserError
from wit_builder.manifest import require_complete
from wit_builder.parts import read_table

_POINTS = 100
"""Ranks drawn of each line, evenly spaced on the log scale."""

_LINES = (
    ("count", "matches before", "0.6", "-"),
    ("kept_total", "kept pairs that match", "tab:orange", "--"),
    ("kept_by_query", "selected by the query", "tab:blue", "-"),
)

Points = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True)
class BalancePlotOptions:
    """Options of `wit balance plot`."""

    balances: tuple[str, ...] = option("Folders that `wit balance` wrote, such as one of each mode.")
    output: str = option("File to draw, ending in .svg or .png.", path=True)

    def __post_init__(self) -> None:
        if not self.balances:
            raise UserError("balances names no folder; give --balances once for each folder to draw")


def run(options: BalancePlotOptions, session: Session) -> dict[str, Any]:
    """Draw a panel for each balance.

    Raises:
        UserError: a folder holds no finished balance, or the figure cannot be written.
    """
    panels = []
    for folder in options.balances:
        facts = require_complete(folder, "balance")["facts"]
        counts = read_table(storage.join(folder, "query_counts.parquet"))
        panels.append((facts, {name: ranked(counts.column(name).to_numpy()) for name, *_ in _LINES}))
    if not session.dry_run:
        write_figure(_figure(panels), options.output)
    return {"figure": options.output, "modes": [facts["mode"] for facts, _ in panels]}


def ranked(counts: npt.NDArray[np.int64]) -> Points:
    """Give ranks, 1 for the largest count, and their counts, zeros left out, thinned for a log scale."""
    positive = -np.sort(-counts[counts > 0])
    ranks = np.unique(np.geomspace(1, max(1, len(positive)), _POINTS).round().astype(np.int64))
    ranks = ranks[: len(positive)]
    return ranks, positive[ranks - 1]


def _figure(panels: list[tuple[dict[str, Any], dict[str, Points]]]) -> Any:
    from matplotlib.figure import Figure  # only this verb draws

    figure = Figure(figsize=(4 * len(panels), 3.6))
    axes = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for axis, (facts, lines) in zip(axes, panels, strict=True):
        for name, label, colour, style in _LINES:
            axis.loglog(*lines[name], label=label, color=colour, linestyle=style)
        axis.axhline(facts["max_pairs_per_query"], color="0.3", linewidth=0.6, label="cap")
        axis.set_title(f"{facts['mode']}: {facts['pairs']:,} pairs", fontsize=10)
        axis.set_xlabel("rank of the query")
    axes[0].set_ylabel("pairs")
    axes[0].legend(fontsize=7)
    return figure


if __name__ == "__main__":
    main_of("pipelines.balance_plot")
