"""The demo's summary and its HTML report; every number comes from the run's files."""

import base64
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.stats import funnel
from vocab.vocabulary import Vocabulary, open_vocabulary
from wit_builder import manifest
from wit_builder.check import list_shards

_CONCEPTS = 30
_SAMPLES = 48
_QUERIES_SHOWN = 6
_TASKS = {"zeroshot_classification": "zero-shot", "zeroshot_retrieval": "retrieval"}


def summarize(output: Path) -> dict[str, Any]:
    """Collect the figures of a finished run.

    Args:
        output: of the demo, with its stages, `train` and `eval`.
    """
    results = {entry["task"]: entry for entry in _read_json(output / "eval" / "eval.json")["results"]}
    zeroshot = results["zeroshot_classification"]
    return {
        "funnel": [{"stage": stage["stage"], **stage["counts"]} for stage in funnel(str(output))],
        "cap": manifest.read(str(output / "balance"))["facts"]["max_pairs_per_query"],
        "concepts": _concepts(output),
        "figures": [
            {"name": f"{_TASKS[task]} {name}", "value": value, "chance": entry["chance"][name]}
            for task, entry in results.items()
            for name, value in entry["metrics"].items()
            if name in entry["chance"]
        ],
        "majority_class_share": zeroshot["chance"]["majority_class_share"],
        "holdout_samples": manifest.read(str(output / "shards"))["facts"]["holdout_samples"],
        "loss": [{"step": row["step"], "loss": row["loss"]} for row in _metrics(output)],
    }


def write_report(output: Path, summary: Mapping[str, Any]) -> None:
    """Write OUTPUT/report.html, one file with its pictures inside."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipelines.demo", "."), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.get_template("report.html.j2").render(
        summary=summary,
        samples=_samples(output),
        loss=_loss_curve(summary["loss"]),
        retrieval=_retrieval(output),
    )
    (output / "report.html").write_text(page)


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def _metrics(output: Path) -> list[dict[str, Any]]:
    lines = (output / "train" / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def _concepts(output: Path) -> list[dict[str, Any]]:
    """List the queries with most matches, with what balance left of them."""
    vocabulary = open_vocabulary(str(output / "vocab"))
    counts = pq.read_table(output / "balance" / "query_counts.parquet")
    largest = counts.sort_by([("count", "descending"), ("query_id", "ascending")]).slice(0, _CONCEPTS)
    columns = ("count", "kept_by_query", "kept_total")
    return [
        {"query": vocabulary.texts[row["query_id"]], **{name: row[name] for name in columns}}
        for row in largest.to_pylist()
    ]


def _samples(output: Path) -> list[dict[str, Any]]:
    """Show the first samples of the first shard: a hash mixed them."""
    vocabulary = open_vocabulary(str(output / "vocab"))
    tar = list_shards(str(output / "shards"))[0]
    rows = pq.read_table(tar.replace(".tar", ".parquet"))
    rows = rows.filter(pc.equal(rows.column("status"), "success")).slice(0, _SAMPLES)
    images = _images([tar], rows.column("key").to_pylist())
    return [
        {"image": images[row["key"]], "caption": row["caption"], "queries": _longest(vocabulary, row)}
        for row in rows.to_pylist()
    ]


def _longest(vocabulary: Vocabulary, row: Mapping[str, Any]) -> list[str]:
    texts = [vocabulary.texts[query_id] for query_id in row["matched_query_ids"]]
    return sorted(texts, key=lambda text: (-len(text), text))[:_QUERIES_SHOWN]


def _images(tars: list[str], keys: list[str]) -> dict[str, str]:
    """Read JPEGs out of shards as data URLs, by key."""
    wanted = set(keys)
    images = {}
    for tar in tars:
        with tarfile.open(tar) as archive:
            for member in archive:
                key, _, extension = member.name.partition(".")
                content = archive.extractfile(member) if key in wanted and extension == "jpg" else None
                if content:
                    images[key] = "data:image/jpeg;base64," + base64.b64encode(content.read()).decode()
    return images


def _loss_curve(loss: list[dict[str, Any]]) -> dict[str, Any]:
    highest = max(row["loss"] for row in loss)
    last_step = loss[-1]["step"]
    points = " ".join(
        f"{50 + 830 * row['step'] / last_step:.1f},{220 - 200 * row['loss'] / highest:.1f}" for row in loss
    )
    return {"points": points, "highest": highest, "last_step": last_step}


def _retrieval(output: Path) -> list[dict[str, Any]]:
    results = _read_json(output / "eval" / "eval.json")["results"]
    (entry,) = [result for result in results if result["task"] == "zeroshot_retrieval"]
    tars = list_shards(str(output / "shards" / "holdout"))
    keys = [key for example in entry["examples"] for key in example["images"]]
    images = _images(tars, keys)
    return [
        {
            "caption": example["query"],
            "rank": example["rank"],
            "hits": [
                {"image": images[key], "right": place + 1 == example["rank"]}
                for place, key in enumerate(example["images"])
            ],
        }
        for example in entry["examples"]
    ]
