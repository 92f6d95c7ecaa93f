import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trainer.samples import TINY
from trainer.models import build_model
from trainer.options import EvalOptions, TrainOptions
from trainer.presets import load_preset, preset_names, recipe
from wit_builder.storage import UserError


def options(**values: object) -> TrainOptions:
    return TrainOptions(**{"shards": "s", "output": "o", "preset": "demo", **values})  # type: ignore[arg-type]


def test_paper_recipes() -> None:
    vit, resnet = load_preset("ViT-B-32"), load_preset("RN50")
    for preset in (vit, resnet):
        assert (preset.epochs, preset.batch_size, preset.learning_rate) == (32, 32768, 5e-4)
        assert (preset.warmup_steps, preset.weight_decay, preset.crop_scale) == (2000, 0.2, 1.0)
    assert (vit.model, vit.beta1, vit.beta2, vit.epsilon) == ("ViT-B-32-quickgelu", 0.9, 0.98, 1e-6)
    assert (resnet.model, resnet.beta1, resnet.beta2, resnet.epsilon) == ("RN50-quickgelu", 0.9, 0.999, 1e-8)


def test_overrides() -> None:
    preset = recipe(options(steps=7, batch_size=4, learning_rate=0.1, precision="bf16"))
    assert (preset.steps, preset.batch_size, preset.learning_rate, preset.precision) == (7, 4, 0.1, "bf16")
    assert preset.weight_decay == load_preset("demo").weight_decay


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"preset": "ViT-B32"}, "preset 'ViT-B32' is unknown; did you mean ViT-B-32"),
        ({"precision": "fp8"}, "precision 'fp8' is unknown; use one of fp32, bf16"),
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
    assert preset_names() == ["RN50", "ViT-B-32", "demo"]
    build_model(load_preset("demo").model)


def test_options_have_help_and_load_no_torch() -> None:
    for kind in (TrainOptions, EvalOptions):
        assert all(field.metadata["help"] for field in dataclasses.fields(kind))
    script = "import sys, trainer.options; sys.exit('torch' in sys.modules or 'yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
