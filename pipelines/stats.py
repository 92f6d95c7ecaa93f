"""The funnel: rows in, rows out and why the rest is missing, stage by stage."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from pipelines.cli import main_of
from pipelines.options import option
from pipelines.session import Session
from wit_builder import manifest, storage
from wit_builder.errors import UserError

STAGES = ("vocab", "crawl", "candidates", "match", "balance", "fetch", "shards")
"""In the order of the road, as `wit build` names its folders."""


@dataclass(frozen=True, kw_only=True)
class StatsOptions:
    """Options of `wit stats`."""

    path: str = option("Output folder of one stage, or of `wit build`.", argument=True)


def run(options: StatsOptions, session: Session) -> dict[str, Any]:
    """Read the counts of one stage, or of each stage of a build.

    Raises:
        UserError: the folder holds no output of a stage.
    """
    stages = funnel(options.path)
    counts = {stage["stage"]: stage["counts"] for stage in stages}
    if session.console.is_terminal:
        session.console.print(funnel_table(counts))
        return {}
    return counts


def funnel_table(counts: Mapping[str, Mapping[str, Any]]) -> Table:
    """Lay out the counts of each stage for a terminal."""
    table = Table("stage", "rows in", "rows out", "dropped", title="Funnel")
    for stage, rows in counts.items():
        dropped = ", ".join(f"{reason} {number:,}" for reason, number in rows["dropped"].items())
        table.add_row(stage, f"{rows['rows_in']:,}", f"{rows['rows_out']:,}", dropped)
    return table


def funnel(path: str) -> list[dict[str, Any]]:
    """List the manifests of the finished stages under a folder, in the order of the road.

    Raises:
        UserError: there is none.
    """
    folders = [path, *(storage.join(path, stage) for stage in STAGES)]
    found = [manifest.read(folder) for folder in folders if manifest.is_complete(folder)]
    if not found:
        raise UserError(f"{path} holds no finished stage; name an output folder of `wit`")
    return [stage for stage in found if "counts" in stage]


if __name__ == "__main__":
    main_of("pipelines.stats")
