"""Evaluations -> one HTML page: `wit eval report`; the work is `trainer.report`'s."""

from dataclasses import dataclass
from typing import Any

from pipelines.cli import main_of
from pipelines.options import option
from pipelines.session import Session
from trainer.report import read_results, render
from wit_builder import storage
from wit_builder.errors import UserError


@dataclass(frozen=True, kw_only=True)
class EvalReportOptions:
    """Options of `wit eval report`."""

    runs: tuple[str, ...] = option("Output folders of `wit eval` to show.")
    output: str = option("HTML file to write.", path=True)
    baselines: tuple[str, ...] = option(
        "Output folders of ordinary models, whose line tells what a shift costs as a rule.", ()
    )

    def __post_init__(self) -> None:
        if not self.runs:
            raise UserError("runs names no folder; give --runs once for each evaluation to show")


def run(options: EvalReportOptions, session: Session) -> dict[str, Any]:
    """Write the page.

    Raises:
        UserError: a folder holds no evaluation, or the baselines make no line.
    """
    entries = read_results(options.runs)
    page = render(entries, read_results(options.baselines))
    if not session.dry_run:
        storage.write_bytes(options.output, page.encode())
    return {"report": options.output, "results": len(entries)}


if __name__ == "__main__":
    main_of("pipelines.eval_report")
