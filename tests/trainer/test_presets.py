import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from open_clip.transformer import QuickGELU

from tests.trainer.samples import TINY
from trainer.models import build_model, image_size
from trainer.options import EvalOptions, TrainOptions
from trainer.presets import load_preset, preset_names, recipe
from wit_builder.storage import UserError


def options(**values: object) -> TrainOptions:
    return TrainOptions(**{"shards": "s", "output": "o", "preset": "demo", **values})  # type: ignore[arg-type]


PAPER = {  # Radford et al. 2021, tables 18 to 20: learning rate, image size, parameters in all and of text
    "RN50": (5e-4, 224, 102_007_137, 63_690_240),
    "RN101": (5e-4, 224, 119_688_033, 63_428_096),
    "RN50x4": (5e-4, 288, 178_300_601, 91_163_520),
    "RN50x16": (4e-4, 384, 290_979_217, 123_650_304),
    "RN50x64": (3.6e-4, 448, 623_258_305, 202_877_952),
    "ViT-B-32": (5e-4, 224, 151_277_313, 63_428_096),
    "ViT-B-16": (5e-4, 224, 149_620_737, 63_428_096),
    "ViT-L-14": (4e-4, 224, 427_616_513, 123_650_304),
    "ViT-L-14-336": (2e-5, 336, 427_944_193, 123_650_304),
}


@pytest.mark.parametrize("name", PAPER)
def test_paper_recipes(name: str) -> None:
    learning_rate, size, parameters, text_parameters = PAPER[name]
    preset = load_preset(name)
    assert preset.learning_rate == learning_rate
    assert (preset.epochs, preset.batch_size) == (1 if name.endswith("336") else 32, 32768)
    assert (preset.warmup_steps, preset.weight_decay, preset.crop_scale) == (2000, 0.2, 1.0)
    expected = (0.9, 0.999, 1e-8) if name.startswith("RN") else (0.9, 0.98, 1e-6)
    assert (preset.beta1, preset.beta2, preset.epsilon, preset.crop) == (*expected, "square")
    with torch.device("meta"):  # no memory
        model: Any = build_model(preset.model)
    assert image_size(model) == size
    assert sum(p.numel() for p in model.parameters()) == parameters
    vision = sum(p.numel() for p in model.visual.parameters())
    assert parameters - vision - 1 == text_parameters
    assert any(isinstance(module, QuickGELU) for module in model.modules())


def test_overrides() -> None:
    preset = recipe(options(steps=7, batch_size=4, learning_rate=0.1, precision="bf16"))
    assert (preset.steps, preset.batch_size, preset.learning_rate, preset.precision) == (7, 4, 0.1, "bf16")
    assert preset.weight_decay == load_preset("demo").weight_decay


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"preset": "ViT-B32"}, "preset 'ViT-B32' is unknown; did you mean ViT-B-32"),
        ({"precision": "fp8"}, "precision 'fp8' is unknown; use one of fp32, bf16, fp16"),
        ({"lock": "images"}, "lock 'images' is unknown; use one of none, image, text, both"),
        ({"micro_batch": 0}, "micro_batch is 0; give a number above 0"),
        ({"epochs": 1, "steps": 1}, "both epochs and steps are given"),
        ({"batch_size": 0}, "batch_size is 0; give a number above 0"),
        ({"steps": -1}, "steps is -1; give a number above 0"),
    ],
)
def test_bad_options(values: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        recipe(options(**values))


def test_a_preset_file_with_an_unknown_value(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(TINY + "colour: red\n")
    with pytest.raises(UserError, match="preset mine cannot be used: .*colour"):
        load_preset(str(tmp_path / "mine.yaml"))


def test_unknown_model() -> None:
    with pytest.raises(
        UserError, match="'ViT-B-33' is neither a file nor an open_clip model; did you mean ViT-B-32"
    ):
        build_model("ViT-B-33")


def test_a_model_config_that_open_clip_refuses() -> None:
    with pytest.raises(UserError, match="open_clip cannot build the model"):
        build_model({"embed_dim": 8, "vision_cfg": {"colour": 1}, "text_cfg": {}})


def test_presets_name_models_that_exist() -> None:
    small = {"ViT-S-32", "ViT-tiny", "demo", "demo-cbow"}
    assert set(preset_names()) == PAPER.keys() | small
    for name in small:
        with torch.device("meta"):
            build_model(load_preset(name).model)


def test_options_have_help_and_load_no_torch() -> None:
    for kind in (TrainOptions, EvalOptions):
        assert all(field.metadata["help"] for field in dataclasses.fields(kind))
    script = "import sys, trainer.options; sys.exit('torch' in sys.modules or 'yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
