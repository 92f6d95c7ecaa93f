"""Run the demo: `python -m pipelines.demo`."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from pipelines import build, check
from pipelines.demo.evalset import write_zeroshot_task
from pipelines.demo.inputs import Inputs, find_inputs
from pipelines.demo.report import summarize, write_report
from pipelines.demo.sites import Site, make_sites, serve
from pipelines.session import Session
from pipelines.stats import funnel_table
from trainer.evaluate import evaluate
from trainer.options import EvalOptions
from wit_builder import manifest
from wit_builder.errors import UserError

CAP = 60
"""Pairs per query: small, so that its effect shows on a few thousand pairs."""


def build_config(output: Path, inputs: Inputs, sites: list[Site]) -> dict[str, Any]:
    """Compose the demo's `wit build` file."""
    polite = {"allow_private_networks": True, "requests_per_second": 0.0}
    return {
        "output": str(output),
        "vocab": {
            "dumps": [str(inputs.wikipedia)],
            "wordnet_folder": str(inputs.wordnet),
            "min_bigram_count": 10,  # the sample is a ten-thousandth of Wikipedia
        },
        "crawl": {"seeds": [site.url for site in sites], **polite},
        "candidates": {},
        "match": {},
        "balance": {"max_pairs_per_query": CAP},
        "fetch": {**polite, "workers_per_host": 4},
        "shards": {"samples_per_shard": 256, "holdout": 0.12},
        "train": {"preset": "demo"},
    }


def run(output: Path, session: Session) -> dict[str, Any]:
    """Go the whole road and give the summary.

    Raises:
        UserError: an input cannot be had, a port is busy, or a stage raises one.
    """
    started = time.monotonic()
    inputs = find_inputs(session.console.print)
    sites = make_sites(inputs)
    config = output / "build.yaml"
    output.mkdir(parents=True, exist_ok=True)
    config.write_text(yaml.safe_dump(build_config(output, inputs, sites), sort_keys=False))
    with serve(sites):
        build.run(build.BuildOptions(config=str(config), until="shards"), session)
    checked = check.run(check.CheckOptions(dataset=str(output / "shards")), session)
    build.run(build.BuildOptions(config=str(config)), session)
    holdout = output / "shards" / "holdout"
    if not manifest.is_complete(str(output / "eval")):
        write_zeroshot_task(output / "shards", output / "zeroshot")
    evaluate(
        EvalOptions(
            checkpoint=str(output / "train"),
            output=str(output / "eval"),
            zeroshot=(str(output / "zeroshot"),),
            retrieval=(str(holdout),),
        )
    )
    summary = {**summarize(output), "dataset": checked}
    summary["seconds"] = round(time.monotonic() - started, 1)
    (output / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    write_report(output, summary)
    return summary


def show(summary: dict[str, Any], console: Console) -> None:
    """Print the final table."""
    console.print(funnel_table({row["stage"]: row for row in summary["funnel"]}))
    figures = Table("figure", "value", "chance", "times chance", title="Evaluation on held-out pictures")
    for row in summary["figures"]:
        figures.add_row(
            row["name"], f"{row['value']:.3f}", f"{row['chance']:.4f}", f"{row['value'] / row['chance']:.1f}"
        )
    console.print(figures)
    console.print(f"zero-shot: always the largest class would score {summary['majority_class_share']:.3f}")
    console.print(f"samples: {summary['dataset']['samples']:,}   digest: {summary['dataset']['digest']}")


def main() -> None:
    """Parse the output folder and run; a user's mistake ends in one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/demo"), help="folder of the run")
    output = parser.parse_args().output
    try:
        summary = run(output, Session())
    except UserError as error:
        sys.exit(f"demo: {error}")
    show(summary, Console())
    print(f"{summary['seconds']:.0f} s; report: {output / 'report.html'}, figures: {output / 'summary.json'}")


if __name__ == "__main__":
    main()
