import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from tests.trainer.samples import TINY, tiny_preset, write_shards
from trainer.checkpoint import read_checkpoint, write_checkpoint
from trainer.distributed import World
from trainer.models import build_model
from trainer.options import TrainOptions
from trainer.presets import load_preset
from trainer.train import enough_memory, train
from wit_builder.storage import UserError

TRAIN = """
import sys
from trainer.options import TrainOptions
from trainer.train import train
train(TrainOptions(shards=sys.argv[1], output=sys.argv[2], preset=sys.argv[3], workers=0))
"""

DIE_AT_STEP_5 = (
    """
import os, signal
import torch
from trainer import train as module
class Dying(module.Training):
    def _train_step(self, batch):
        if self.step == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._train_step(batch)
module.Training = Dying
torch.set_num_threads(1)
"""
    + TRAIN
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # sums are split by thread: the bits depend on their number


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Four steps an epoch of 8, with a tail of 3 and two broken samples."""
    return write_shards(tmp_path_factory.mktemp("shards"), (20, 15), broken=frozenset({2, 21}))


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_preset(tmp_path_factory.mktemp("preset"))


@pytest.fixture(scope="module")
def undisturbed(shards: str, preset: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    output = tmp_path_factory.mktemp("undisturbed")
    train(TrainOptions(shards=shards, output=str(output), preset=preset, workers=0))
    return output


def learned(output: Path) -> list[tuple[float, float, float]]:
    lines = map(json.loads, (output / "metrics.jsonl").read_text().splitlines())
    return [(line["step"], line["loss"], line["logit_scale"]) for line in lines]


def run(*arguments: str) -> int:
    """Run Python with one thread, from the repository's root; give its exit status."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.getcwd()}
    return subprocess.run([sys.executable, *arguments], env=environment, check=False).returncode


def test_outputs(undisturbed: Path) -> None:
    assert sorted(path.name for path in undisturbed.iterdir()) == [
        "_SUCCESS", "checkpoint.pt", "manifest.json", "metrics.jsonl",
        "open_clip_config.json", "open_clip_model.safetensors", "tensorboard",
    ]  # fmt: skip
    assert (undisturbed / "_SUCCESS").read_bytes() == b""
    lines = [json.loads(line) for line in (undisturbed / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 9))
    assert lines[3]["epoch"] == 1.0
    assert set(lines[0]) == {
        "step", "epoch", "loss", "logit_scale", "learning_rate", "samples_per_second", "data_wait_share"
    }  # fmt: skip
    state = read_checkpoint(str(undisturbed / "checkpoint.pt"))
    assert (state["epoch"], state["step"], state["position"], state["name"]) == (2, 8, 0, "tiny")


def test_broken_samples_are_counted_and_named(undisturbed: Path) -> None:
    manifest = json.loads((undisturbed / "manifest.json").read_text())
    assert manifest["skipped"] == ["00000.tar:000000002", "00001.tar:000010001"]
    assert manifest["counts"] == {
        "samples": 35, "incomplete": 0, "skipped": 2, "steps": 8, "samples_seen": 64
    }  # fmt: skip


def test_open_clip_loads_the_checkpoint(undisturbed: Path, preset: str) -> None:
    state = read_checkpoint(str(undisturbed / "checkpoint.pt"))
    model = build_model(load_preset(preset).model)
    open_clip.load_checkpoint(model, str(undisturbed / "checkpoint.pt"))
    assert all(torch.equal(value, state["state_dict"][name]) for name, value in model.state_dict().items())


def test_open_clip_creates_a_named_model_from_the_checkpoint(
    undisturbed: Path, preset: str, tmp_path: Path
) -> None:
    path = str(undisturbed / "checkpoint.pt")
    (tmp_path / "wit-tiny.json").write_text(json.dumps(load_preset(preset).model))
    open_clip.add_model_config(tmp_path / "wit-tiny.json")
    created = open_clip.create_model("wit-tiny", pretrained=path)
    assert torch.equal(created.text_projection, read_checkpoint(path)["state_dict"]["text_projection"])


def test_killed_and_resumed_gives_the_same_bits(
    shards: str, preset: str, undisturbed: Path, tmp_path: Path
) -> None:
    assert run("-c", DIE_AT_STEP_5, shards, str(tmp_path), preset) == -9
    assert [step for step, _, _ in learned(tmp_path)] == [1, 2, 3]
    assert not (tmp_path / "_SUCCESS").exists()
    train(TrainOptions(shards=shards, output=str(tmp_path), preset=preset, workers=0))
    assert learned(tmp_path) == learned(undisturbed)
    one, other = (read_checkpoint(str(folder / "checkpoint.pt")) for folder in (tmp_path, undisturbed))
    for name, value in one["state_dict"].items():
        assert torch.equal(value, other["state_dict"][name])


def test_two_processes_learn_what_one_learns(
    shards: str, preset: str, undisturbed: Path, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(TRAIN)
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    assert run(*torchrun, str(script), shards, str(tmp_path / "out"), preset) == 0
    pairs = zip(learned(tmp_path / "out"), learned(undisturbed), strict=True)
    assert all(mine == pytest.approx(theirs, abs=1e-5) for mine, theirs in pairs)
    one, other = (read_checkpoint(str(f / "checkpoint.pt")) for f in (tmp_path / "out", undisturbed))
    for number, moments in one["optimizer"]["state"].items():
        # the running mean of the gradients
        assert torch.allclose(moments["exp_avg"], other["optimizer"]["state"][number]["exp_avg"], atol=1e-5)
    assert one["skipped"] == other["skipped"]


def test_complete_output_is_left_alone(
    shards: str, preset: str, undisturbed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (undisturbed / "checkpoint.pt").stat().st_mtime_ns
    manifest = train(TrainOptions(shards=shards, output=str(undisturbed), preset=preset, workers=1))
    assert manifest["counts"]["steps"] == 8
    assert "is complete: nothing to do" in capsys.readouterr().err
    assert (undisturbed / "checkpoint.pt").stat().st_mtime_ns == before


def test_another_runs_output_is_refused(shards: str, preset: str, undisturbed: Path) -> None:
    options = TrainOptions(shards=shards, output=str(undisturbed), preset=preset, learning_rate=0.5)
    with pytest.raises(
        UserError, match=r"holds a run with learning_rate 0\.001 \(now 0\.5\); choose another"
    ):
        train(options)
    (undisturbed / "_SUCCESS").rename(undisturbed / "kept")
    try:
        with pytest.raises(UserError, match=r"learning_rate 0\.001 \(now 0\.5\)"):
            train(options)
    finally:
        (undisturbed / "kept").rename(undisturbed / "_SUCCESS")


def test_divergence_stops_and_keeps_the_last_checkpoint(shards: str, tmp_path: Path) -> None:
    wild = tmp_path / "wild.yaml"
    wild.write_text(
        TINY.replace("learning_rate: 1.0e-3", "learning_rate: 1.0e+38").replace(
            "warmup_steps: 2", "warmup_steps: 1000"
        )
    )
    options = TrainOptions(
        shards=shards, output=str(tmp_path / "out"), preset=str(wild), workers=0, checkpoint_every=1
    )
    with pytest.raises(UserError, match="diverged; lower learning_rate"):
        train(options)
    assert not (tmp_path / "out" / "_SUCCESS").exists()


def test_a_checkpoint_that_is_not_finite_is_never_written(tmp_path: Path) -> None:
    path = str(tmp_path / "checkpoint.pt")
    write_checkpoint(path, {"state_dict": {"w": torch.ones(2)}, "step": 1})
    with pytest.raises(UserError, match="w is not finite after step 2"):
        write_checkpoint(path, {"state_dict": {"w": torch.tensor([1.0, float("nan")])}, "step": 2})
    assert read_checkpoint(path)["step"] == 1


@pytest.mark.parametrize("content", [b"", b"nothing of the kind"])
def test_a_file_that_is_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.pt cannot be read as a checkpoint"):
        read_checkpoint(str(tmp_path / "x.pt"))
    torch.save({"weights": 1}, tmp_path / "y.pt")
    with pytest.raises(UserError, match=r"y\.pt holds no state_dict"):
        read_checkpoint(str(tmp_path / "y.pt"))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_on_a_cpu(shards: str, preset: str, tmp_path: Path, precision: str) -> None:
    options = TrainOptions(
        shards=shards, output=str(tmp_path), preset=preset, workers=0, steps=2, precision=precision
    )
    assert train(options)["last"]["loss"] > 0


def test_open_clip_loads_the_finished_run_by_its_folder(undisturbed: Path) -> None:
    model = open_clip.create_model(f"local-dir:{undisturbed}")
    state = read_checkpoint(str(undisturbed / "checkpoint.pt"))["state_dict"]
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_tensorboard_holds_the_metrics(undisturbed: Path) -> None:
    shown: Any = EventAccumulator(str(undisturbed / "tensorboard"))
    shown.Reload()
    scalars = {scalar.step: scalar.value for scalar in shown.Scalars("loss")}
    assert scalars == pytest.approx({step: loss for step, loss, _ in learned(undisturbed)})


def test_micro_batches_learn_what_whole_batches_do(
    shards: str, preset: str, undisturbed: Path, tmp_path: Path
) -> None:
    train(TrainOptions(shards=shards, output=str(tmp_path), preset=preset, workers=0, micro_batch=3))
    pairs = zip(learned(tmp_path), learned(undisturbed), strict=True)
    assert all(mine == pytest.approx(theirs, abs=1e-5) for mine, theirs in pairs)


def test_a_locked_tower_keeps_its_weights(
    shards: str, preset: str, undisturbed: Path, tmp_path: Path
) -> None:
    options = TrainOptions(
        shards=shards,
        output=str(tmp_path),
        preset=preset,
        workers=0,
        steps=2,
        pretrained=str(undisturbed),
        lock="image",
    )
    train(options)
    first, then = (read_checkpoint(str(f / "checkpoint.pt"))["state_dict"] for f in (undisturbed, tmp_path))
    assert torch.equal(then["visual.conv1.weight"], first["visual.conv1.weight"])
    assert not torch.equal(then["text_projection"], first["text_projection"])


def test_a_bag_of_words_learns(shards: str, preset: str, tmp_path: Path) -> None:
    options = TrainOptions(
        shards=shards, output=str(tmp_path), preset=preset, workers=0, text_tower="cbow", steps=12
    )
    assert train(options)["last"]["loss"] < learned(tmp_path)[0][1]
    assert not (tmp_path / "open_clip_config.json").exists()


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory: 9 bytes")]
)
def test_too_little_memory_tells_what_to_lower(error: RuntimeError, preset: str) -> None:
    world = World(0, 1, torch.device("cpu"))
    with (
        pytest.raises(UserError, match="out of memory on cpu with 8 samples at once; set micro_batch to 4"),
        enough_memory(load_preset(preset), world),
    ):
        raise error
