import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipelines.eval_report import EvalReportOptions, run
from pipelines.session import Session
from trainer.report import read_results, render, shifts, table
from wit_builder.storage import UserError


def entry(dataset: str, score: float, task: str = "zeroshot_classification", **more: Any) -> dict[str, Any]:
    metric = {"linear_probe": "lp_acc1", "few_shot": "few_shot_acc1"}.get(task, "acc1")
    return {
        "dataset": dataset, "task": task, "model": "ViT-B-32-quickgelu", "pretrained": "run",
        "main_metric": metric, "metrics": {metric: score}, "counts": {"images": 1000}, **more,
    }  # fmt: skip


def ordinary(imagenet: float, shifted: float, name: str) -> list[dict[str, Any]]:
    return [{**entry("imagenet", imagenet), "model": name}, {**entry("imagenet_r", shifted), "model": name}]


CURVE = [{"shots": k, "scores": [0.5], "mean": 0.5 + k / 100, "deviation": 0.02} for k in (1, 2, 4)]
STUDY = {"by": "phash", "overlap_share": 0.022, "all": 0.6, "clean": 0.59, "overlap": 0.7,
         "overlap_interval": [0.5, 0.8], "p_value": 0.01, "gain": 0.01}  # fmt: skip


def test_the_page_shows_everything(tmp_path: Path) -> None:
    results = [
        entry("imagenet", 0.6, confidence={"acc1": [0.57, 0.63]}, chance={"acc1": 0.001}, overlap=STUDY),
        entry("imagenet_r", 0.5),
        entry(
            "pets <b>", 0.7, prompts={kind: {"acc1": 0.4} for kind in ("class name", "template", "ensemble")}
        ),
        entry("imagenet", 0.8, "linear_probe"),
        entry("imagenet", 0.54, "few_shot", shots=CURVE),
    ]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "eval.json").write_text(json.dumps({"results": results}))
    output = tmp_path / "report.html"
    assert run(EvalReportOptions(runs=(str(tmp_path / "run"),), output=str(output)), Session()) == {
        "report": str(output), "results": 5
    }  # fmt: skip
    page = output.read_text()
    assert re.findall(r"<h2>(.*?)</h2>", page) == [
        "Prompts", "Robustness", "Overlap with the training images",
        "Few-shot probes", "Zero-shot and linear probe", "Accuracy under shift",
    ]  # fmt: skip
    assert page.count("<svg") == 3
    assert ">63.2<" in page
    assert ">-3.2<" in page  # from the paper's ViT-B/32
    assert "pets &lt;b&gt;" in page
    assert "<b>" not in page
    assert render(results, []) == page


def test_only_zero_shot_has_the_papers_figure() -> None:
    rows = table([entry("imagenet", 0.6), entry("imagenet", 0.6, "linear_probe"), entry("mine", 0.6)])
    assert [row["paper"] for row in rows] == [pytest.approx(0.632), None, None]
    retrieval = {**entry("mine", 0), "metrics": {"image_retrieval_recall@1": 0.25}}
    del retrieval["main_metric"]
    assert table([retrieval])[0]["value"] == 0.25


def test_effective_robustness_is_above_the_baselines_line() -> None:
    baselines = ordinary(0.5, 0.2, "a") + ordinary(0.7, 0.3, "b")
    (shift,) = shifts([entry("imagenet", 0.7), entry("imagenet_r", 0.6)], baselines)
    assert shift.dataset == "imagenet_r"
    assert shift.row["effective_robustness"] == pytest.approx(0.3)
    with pytest.raises(UserError, match="1 baselines make no line"):
        shifts([], baselines[:2])


def test_a_folder_without_an_evaluation(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no eval.json; give output folders of wit eval"):
        read_results([str(tmp_path)])
