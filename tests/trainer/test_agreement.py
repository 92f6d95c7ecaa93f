"""The same model and images give CLIP_benchmark's own figures."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from clip_benchmark.datasets.builder import build_wds_dataset
from clip_benchmark.metrics import zeroshot_classification, zeroshot_retrieval
from PIL import Image

from tests.trainer.samples import COLOURS, caption, write_tar
from trainer.encode import Encoder
from trainer.models import LoadedModel
from trainer.registry import open_test_set
from trainer.shard_index import index_shards
from trainer.tasks import retrieval, zeroshot

IMAGES, BATCH = 30, 15


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    torch.manual_seed(5)
    torch.set_num_threads(1)
    model = open_clip.create_model("ViT-S-32-alt", output_dict=False)
    tokenizer = open_clip.get_tokenizer("ViT-S-32-alt")
    return LoadedModel(model=model.eval(), tokenizer=tokenizer, name="ViT-S-32-alt", pretrained="")


def noise(number: int) -> bytes:
    """Give a JPEG of coarse noise, so that no two images score alike."""
    pixels = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((64, 48)).save(buffer, "JPEG")
    return buffer.getvalue()


def write_task(folder: Path, targets: dict[str, list[bytes]]) -> None:
    (suffix, values), *_ = targets.items()
    members = {}
    for number, value in enumerate(values):
        members[f"s{number:07d}.jpg"] = noise(number)
        members[f"s{number:07d}.{suffix}"] = value
    write_tar(folder / "test" / "0.tar", members)
    (folder / "test" / "nshards.txt").write_text("1")


def peer_loader(folder: Path, model: LoadedModel) -> Any:
    settings = open_clip.transform.PreprocessCfg(**open_clip.get_model_preprocess_cfg(model.model))
    transform = open_clip.transform.image_transform_v2(settings, is_train=False)
    data = build_wds_dataset("any", transform, split="test", data_dir=str(folder))
    return data, torch.utils.data.DataLoader(data.batched(BATCH), batch_size=None)


def test_zeroshot(loaded: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # it calls float() on arrays of one number, which NumPy 2.4 refuses
    monkeypatch.setattr(zeroshot_classification, "float", lambda array: array.item(), raising=False)
    write_task(tmp_path, {"cls": [str(number * 7 % 13 % 6).encode() for number in range(IMAGES)]})
    (tmp_path / "classnames.txt").write_text("\n".join(COLOURS) + "\n")
    (tmp_path / "zeroshot_classification_templates.txt").write_text("a {c} square\n{c}\na photo of a {c}.\n")
    data, loader = peer_loader(tmp_path, loaded)
    expected = zeroshot_classification.evaluate(
        loaded.model, loader, loaded.tokenizer, data.classes, data.templates, "cpu", amp=False
    )
    encoder = Encoder(loaded, torch.device("cpu"), BATCH, 0)
    test_set = open_test_set(str(tmp_path), None)
    entry = zeroshot(encoder, test_set, ablation=False, overlap=None, overlap_by="phash")
    assert 0 < expected["acc1"] < expected["acc5"] < 1
    assert entry["metrics"] == pytest.approx(expected, abs=1e-4)


def test_retrieval_with_several_captions(loaded: LoadedModel, tmp_path: Path) -> None:
    texts = [f"{caption(number)}\nnumber {number} of {IMAGES}".encode() for number in range(IMAGES)]
    write_task(tmp_path, {"txt": texts})
    (tmp_path / "dataset_type.txt").write_text("retrieval")
    _, loader = peer_loader(tmp_path, loaded)
    expected = zeroshot_retrieval.evaluate(
        loaded.model, loader, loaded.tokenizer, "cpu", amp=False, recall_k_list=[1, 5, 10]
    )
    folder = str(tmp_path / "test")
    entry = retrieval(Encoder(loaded, torch.device("cpu"), BATCH, 0), index_shards(folder, "txt"), folder)
    assert entry["metrics"] == pytest.approx(expected, abs=1e-4)
    assert expected["text_retrieval_recall@10"] > 0
