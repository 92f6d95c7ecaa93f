"""What a fetch would take: the rounds and days of the largest sites, found without a request."""

import tempfile
from pathlib import Path

import apache_beam as beam
from rich.table import Table

from pipelines.session import Session
from wit_builder.rounds import Limit, Round
from wit_builder.transforms.arrays import SaveArrays, load_arrays
from wit_builder.transforms.fetch import LargestSites

_SITES = 20
_DAY = 86_400.0  # seconds


def show_plan(session: Session, parts: list[str], order: Round, limit: Limit) -> None:
    """Print the rounds and days that the 20 largest sites need at their rates.

    Args:
        session: of the command.
        parts: of pairs.
        order: the seed and the sites.
        limit: of a round.
    """
    table = Table("site", "URLs", "a second", "rounds", "days", title="Largest sites")
    for site, urls in sorted(_sizes(session, parts, order, limit).items(), key=lambda item: -item[1]):
        rate = order.rates.rate_of(site)
        days = f"{urls / rate / _DAY:,.2f}" if rate else "-"
        rounds = -(-urls // limit.of(site))
        table.add_row(
            site or "(no URL)", f"{urls:,}", f"{rate:g}" if rate else "no limit", f"{rounds:,}", days
        )
    session.console.print(table)


def _sizes(session: Session, parts: list[str], order: Round, limit: Limit) -> dict[str, int]:
    """Count the URLs of the largest sites."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "sites.npz")

        def build(pipeline: beam.Pipeline) -> None:
            pipeline | "Pairs" >> beam.Create(parts) | LargestSites(order, limit, _SITES) | SaveArrays(path)

        session.run("Count URLs by site", build, len(parts))
        return {site: int(urls[0]) for site, urls in load_arrays(path).items()}
