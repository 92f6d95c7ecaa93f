"""Evaluations as one HTML page: figures beside the paper's, few-shot curve, probes, shifts."""

import io
import json
from collections import defaultdict
from collections.abc import Sequence
from importlib import resources
from typing import Any, NamedTuple

import jinja2
import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

from trainer.evaluate import REPORT
from trainer.registry import registry
from trainer.robustness import Line, fit_line, shift_row
from wit_builder.storage import UserError, exists, join, read_bytes

ZEROSHOT, PROBE, FEW_SHOT = "zeroshot_classification", "linear_probe", "few_shot"
Entry = dict[str, Any]


class Shift(NamedTuple):
    """A model under a shift: what `robustness.shift_row` tells of it."""

    model: str
    dataset: str
    row: dict[str, Any]


def read_results(runs: Sequence[str]) -> list[Entry]:
    """Read the entries of `wit eval`'s output folders.

    Raises:
        UserError: a folder holds no evaluation.
    """
    entries: list[Entry] = []
    for run in runs:
        path = join(run, REPORT)
        if not exists(path):
            raise UserError(f"{run} holds no {REPORT}; give output folders of wit eval")
        entries += json.loads(read_bytes(path))["results"]
    return entries


def render(entries: list[Entry], baselines: list[Entry]) -> str:
    """Make the page.

    Args:
        entries: of the evaluations to show.
        baselines: of models whose line tells what a shift costs as a rule; may be empty.

    Raises:
        UserError: the baselines are too few for a line.
    """
    template = jinja2.Environment(autoescape=True, trim_blocks=True).from_string(
        (resources.files("trainer") / "report.html.j2").read_text("utf-8")
    )
    rows = shifts(entries, baselines)
    figures = {
        "Few-shot probes": few_shot_figure(entries),
        "Zero-shot and linear probe": probe_figure(entries),
        "Accuracy under shift": shift_figure(rows),
    }
    return template.render(
        table=table(entries),
        shifts=rows,
        prompts=[entry for entry in entries if "prompts" in entry],
        overlaps=[entry for entry in entries if "overlap" in entry],
        figures={title: _svg(figure) for title, figure in figures.items() if figure is not None},
    )


def table(entries: list[Entry]) -> list[dict[str, Any]]:
    """Give a row an entry: its main metric, 95 % interval, chance and the paper's zero-shot figure."""
    rows = []
    for entry in entries:
        metric = main_metric(entry)
        known = registry().get(entry["dataset"])
        paper = known.paper.get(paper_name(entry["model"])) if known and entry["task"] == ZEROSHOT else None
        rows.append(
            {
                "dataset": known.title if known else entry["dataset"],
                **{name: entry[name] for name in ("model", "task", "counts")},
                "metric": metric,
                "value": entry["metrics"][metric],
                "interval": entry.get("confidence", {}).get(metric),
                "chance": entry.get("chance", {}).get(metric),
                "paper": None if paper is None else paper / 100,
            }
        )
    return rows


def main_metric(entry: Entry) -> str:
    """Name the metric to show: the data set's, or of retrieval the images' recall at 1."""
    name: str = entry.get("main_metric", "image_retrieval_recall@1")
    return name


def paper_name(model: str) -> str:
    """Give the name that the paper's figures have in the registry."""
    return model.removesuffix("-quickgelu")


def _scores(entries: list[Entry], task: str) -> dict[tuple[str, str], float]:
    """Map (model, dataset) to the main metric."""
    return {
        (f"{e['model']} {e['pretrained']}".strip(), e["dataset"]): e["metrics"][main_metric(e)]
        for e in entries
        if e["task"] == task
    }


def shifts(entries: list[Entry], baselines: list[Entry]) -> list[Shift]:
    """Pair every zero-shot score under a shift with that of the same model in distribution."""
    lines: dict[str, Line] = {}
    if baselines:
        points = defaultdict(list)
        for _, dataset, row in _pairs(baselines):
            points[dataset].append((row["in_distribution"], row["shifted"]))
        lines = {dataset: fit_line(found) for dataset, found in points.items()}
    return [
        Shift(model, dataset, shift_row(row["in_distribution"], row["shifted"], lines.get(dataset)))
        for model, dataset, row in _pairs(entries)
    ]


def _pairs(entries: list[Entry]) -> list[Shift]:
    scores = _scores(entries, ZEROSHOT)
    pairs = []
    for (model, dataset), score in scores.items():
        known = registry().get(dataset)
        if known is not None and known.shift_of is not None and (model, known.shift_of) in scores:
            pairs.append(Shift(model, dataset, shift_row(scores[model, known.shift_of], score)))
    return pairs


def few_shot_figure(entries: list[Entry]) -> Figure | None:
    """Draw the score by shots, a line a model and data set, its zero-shot score dashed."""
    curves = [entry for entry in entries if entry["task"] == FEW_SHOT]
    if not curves:
        return None
    figure, axes = _axes("images a class", "score")
    zeroshot = _scores(entries, ZEROSHOT)
    for number, entry in enumerate(curves):
        points, colour = entry["shots"], f"C{number % 10}"
        axes.errorbar(
            [point["shots"] for point in points],
            [point["mean"] for point in points],
            yerr=[point["deviation"] for point in points],
            label=f"{entry['model']}, {entry['dataset']}",
            marker="o",
            color=colour,
        )
        key = (f"{entry['model']} {entry['pretrained']}".strip(), entry["dataset"])
        if key in zeroshot:
            axes.axhline(zeroshot[key], linestyle="--", color=colour)
    axes.set_xscale("log", base=2)
    axes.legend(frameon=False)
    return figure


def probe_figure(entries: list[Entry]) -> Figure | None:
    """Draw zero-shot against probe scores, a point a model and data set; None without both."""
    zeroshot, probes = _scores(entries, ZEROSHOT), _scores(entries, PROBE)
    both = sorted(zeroshot.keys() & probes.keys())
    if not both:
        return None
    figure, axes = _axes("linear probe", "zero-shot")
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.scatter([probes[key] for key in both], [zeroshot[key] for key in both])
    for key in both:
        axes.annotate(key[1], (probes[key], zeroshot[key]), fontsize=8)
    return figure


def shift_figure(rows: list[Shift]) -> Figure | None:
    """Draw accuracy under shift against accuracy in distribution; None without shifts."""
    if not rows:
        return None
    figure, axes = _axes("in distribution", "under shift")
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for dataset in sorted({shift.dataset for shift in rows}):
        found = [shift.row for shift in rows if shift.dataset == dataset]
        axes.scatter([r["in_distribution"] for r in found], [r["shifted"] for r in found], label=dataset)
    axes.legend(frameon=False)
    return figure


def _axes(across: str, up: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(6, 4))
    axes = figure.subplots()
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    return figure, axes


def _svg(figure: Figure) -> Markup:
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "wit-builder", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight")
    text = buffer.getvalue()
    return Markup(text[text.index("<svg") :])  # Matplotlib escapes what it draws
