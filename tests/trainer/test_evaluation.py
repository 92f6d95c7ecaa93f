import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainer.samples import COLOURS, jpeg, tiny_preset, write_shards, write_tar
from trainer.evaluate import evaluate
from trainer.options import EvalOptions, TrainOptions
from trainer.train import train
from wit_builder.storage import UserError


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that has learnt the colours of the squares a little."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    shards = write_shards(folder / "shards", (48,))
    output = str(folder / "run")
    train(TrainOptions(shards=shards, output=output, preset=tiny_preset(folder), steps=4, workers=0))
    return output


def zeroshot_folder(folder: Path, count: int = 12) -> str:
    members = {}
    for number in range(count):
        members[f"s{number:07d}.jpg"] = jpeg(number)
        members[f"s{number:07d}.cls"] = str(number % len(COLOURS)).encode()
    write_tar(folder / "0.tar", members)
    (folder / "classnames.txt").write_text("\n".join(COLOURS) + "\n")
    (folder / "zeroshot_classification_templates.txt").write_text("a {c} square\n{c}\n")
    return str(folder)


def options(checkpoint: str, folder: Path, **values: Any) -> EvalOptions:
    return EvalOptions(checkpoint=checkpoint, output=str(folder / "eval"), batch_size=5, workers=0, **values)


def test_both_tasks_with_the_keys_of_clip_benchmark(checkpoint: str, tmp_path: Path) -> None:
    zeroshot = zeroshot_folder(tmp_path / "colours")
    retrieval = write_shards(tmp_path / "holdout", (10, 4), broken=frozenset({12}))
    report = evaluate(options(checkpoint, tmp_path, zeroshot=(zeroshot,), retrieval=(retrieval,)))
    assert json.loads((tmp_path / "eval" / "eval.json").read_text()) == report
    assert (tmp_path / "eval" / "_SUCCESS").exists()
    first, second = report["results"]
    for result, dataset, task in (
        (first, "colours", "zeroshot_classification"),
        (second, "holdout", "zeroshot_retrieval"),
    ):
        assert {k: result[k] for k in ("dataset", "task", "model", "pretrained", "language")} == {
            "dataset": dataset, "task": task, "model": "tiny", "pretrained": checkpoint, "language": "en"
        }  # fmt: skip
        assert result["metrics"].keys() <= result["chance"].keys()
    assert first["counts"] == {"images": 12, "classes": 6, "skipped": 0, "incomplete": 0}
    assert second["counts"] == {
        "images": 13, "captions": 13, "duplicate_captions": 0, "skipped": 1, "incomplete": 0
    }  # fmt: skip
    assert len(second["examples"]) == 12
    assert second["examples"][0]["query"] == "a red square, number 0"
    assert all(len(example["images"]) == 5 for example in second["examples"])
    assert set(second["examples"][0]["images"]) < {f"00000{n:04d}" for n in range(10)} | {
        f"00001{n:04d}" for n in range(4)
    }


def test_batch_size_changes_nothing(checkpoint: str, tmp_path: Path) -> None:
    zeroshot = zeroshot_folder(tmp_path / "colours")
    reports = []
    for size in (1, 64):
        output = str(tmp_path / str(size))
        values = EvalOptions(
            checkpoint=checkpoint, output=output, zeroshot=(zeroshot,), batch_size=size, workers=0
        )
        reports.append(evaluate(values))
    assert reports[0] == reports[1]


def test_each_line_is_a_caption(checkpoint: str, tmp_path: Path) -> None:
    members = {}
    for number in range(3):
        members[f"{number}.jpg"] = jpeg(number)
        members[f"{number}.txt"] = f"{COLOURS[number]}\na square\n".encode()
    write_tar(tmp_path / "multi" / "0.tar", members)
    (result,) = evaluate(options(checkpoint, tmp_path, retrieval=(str(tmp_path / "multi"),)))["results"]
    assert result["counts"]["captions"] == 6
    assert result["counts"]["duplicate_captions"] == 3
    assert result["chance"]["text_retrieval_recall@1"] == pytest.approx(1 / 3)


def test_done_is_done_and_another_task_is_refused(
    checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zeroshot = zeroshot_folder(tmp_path / "colours")
    report = evaluate(options(checkpoint, tmp_path, zeroshot=(zeroshot,)))
    assert evaluate(options(checkpoint, tmp_path, zeroshot=(zeroshot,))) == report
    assert "is complete: nothing to do" in capsys.readouterr().err
    with pytest.raises(UserError, match="holds a run with zeroshot"):
        evaluate(options(checkpoint, tmp_path, zeroshot=(zeroshot_folder(tmp_path / "other", 10),)))


def test_bad_input(checkpoint: str, tmp_path: Path) -> None:
    zeroshot = Path(zeroshot_folder(tmp_path / "colours"))
    with pytest.raises(UserError, match="no task is given"):
        evaluate(options(checkpoint, tmp_path))
    with pytest.raises(UserError, match="'ViT-B-23' is neither a file nor an open_clip model; did you mean"):
        evaluate(options("ViT-B-23", tmp_path, zeroshot=(str(zeroshot),)))
    (zeroshot / "zeroshot_classification_templates.txt").write_text("a photo\n")
    with pytest.raises(UserError, match=r"'a photo' lacks \{c\}"):
        evaluate(options(checkpoint, tmp_path, zeroshot=(str(zeroshot),)))
    (zeroshot / "zeroshot_classification_templates.txt").write_text("{c}\n")
    (zeroshot / "classnames.txt").write_text("red\nlime\n")
    with pytest.raises(UserError, match="has a class '2'; correct the .cls members to 0 to 1"):
        evaluate(options(checkpoint, tmp_path, zeroshot=(str(zeroshot),)))
    with pytest.raises(UserError, match="MODEL:"):
        torch.save({"state_dict": {}}, tmp_path / "foreign.pt")
        evaluate(options(str(tmp_path / "foreign.pt"), tmp_path, zeroshot=(str(zeroshot),)))
    broken = write_shards(tmp_path / "broken", (2,), broken=frozenset({0, 1}))
    with pytest.raises(UserError, match="no image of .*broken can be read"):
        evaluate(options(checkpoint, tmp_path, retrieval=(broken,)))


def divided_folder(folder: Path) -> str:
    """Write colours in CLIP_benchmark's layout, with a train split."""
    for split, count in (("train", 48), ("test", 12)):
        zeroshot_folder(folder, count)
        (folder / split).mkdir()
        (folder / "0.tar").rename(folder / split / "0.tar")
    return str(folder)


def test_probe_and_few_shot(checkpoint: str, tmp_path: Path) -> None:
    colours = divided_folder(tmp_path / "colours")
    probe, few_shot = evaluate(options(checkpoint, tmp_path, probe=(colours,), few_shot=(colours,), seeds=2))[
        "results"
    ]
    assert (probe["task"], few_shot["task"]) == ("linear_probe", "few_shot")
    assert probe["counts"] == {"train": 39, "validation": 9, "images": 12, "classes": 6}
    assert probe["metrics"]["lp_acc1"] > 0.8  # colours are easy
    assert probe["metrics"].keys() == {"lp_acc1", "lp_acc5", "lp_mean_per_class_recall"}
    assert [point["shots"] for point in few_shot["shots"]] == [1, 2, 4]
    assert few_shot["metrics"] == {"few_shot_acc1": few_shot["shots"][-1]["mean"]}
    with pytest.raises(UserError, match="has no train split"):
        evaluate(options(checkpoint, tmp_path, probe=(zeroshot_folder(tmp_path / "undivided"),)))


def test_prompt_ablation_and_overlap(checkpoint: str, tmp_path: Path) -> None:
    colours = zeroshot_folder(tmp_path / "colours")
    training = write_shards(tmp_path / "shards", (8,))
    (entry,) = evaluate(
        options(
            checkpoint, tmp_path, zeroshot=(colours,), prompt_ablation=True, overlap=training,
            overlap_by="embedding",
        )
    )["results"]  # fmt: skip
    assert entry["prompts"].keys() == {"class name", "template", "ensemble"}
    assert entry["prompts"]["ensemble"] == entry["metrics"]
    assert entry["overlap"]["images"] == 12
    assert entry["overlap"]["overlap_images"] >= 8  # the very pictures of the shards
    low, high = entry["confidence"]["acc1"]
    assert low < entry["metrics"]["acc1"] < high
    with pytest.raises(UserError, match="overlap_by is 'eye'; use one of phash, embedding"):
        evaluate(options(checkpoint, tmp_path, zeroshot=(colours,), overlap_by="eye"))


def test_several_labels_are_scored_by_the_voc_metric(checkpoint: str, tmp_path: Path) -> None:
    members: dict[str, bytes] = {}
    for number in range(12):
        several = io.BytesIO()
        np.save(several, np.arange(6) % 3 == number % 3)
        members |= {f"{number:02d}.jpg": jpeg(number), f"{number:02d}.npy": several.getvalue()}
    folder = Path(zeroshot_folder(tmp_path / "several"))
    (folder / "dataset_type.txt").write_text("multilabel")
    write_tar(folder / "0.tar", members)
    (entry,) = evaluate(options(checkpoint, tmp_path, zeroshot=(str(folder),)))["results"]
    assert entry["metrics"].keys() == {"mean_average_precision_11"}
    assert 0 < entry["metrics"]["mean_average_precision_11"] <= 1
    (folder / "classnames.txt").write_text("red\nlime\n")
    with pytest.raises(UserError, match=r"has labels of \(6,\); correct the .npy members to 0 to 1"):
        evaluate(options(checkpoint, tmp_path / "again", zeroshot=(str(folder),)))
