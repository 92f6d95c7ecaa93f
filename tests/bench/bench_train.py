"""Training samples a second against open_clip_train: same shards, model, batch, precision; loading included.

On a CPU: the tiny ViT at 64 px, one computing thread and one decoding process each,
the two in turn; by the clock, and by the processor time of the training process, which
a loaded machine disturbs less. With `--gpu`: ViT-B/32 at 224 px in bf16 at batch 4,096, and the MFU.
`--shards DIR` takes real shards instead of those made here.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from rich.console import Console

from tests.bench.table import compare, report
from tests.trainer.samples import write_tar
from trainer.models import model_config
from trainer.presets import load_preset
from trainer.shard_index import index_shards

SHARD_SAMPLES = 512
WORDS = (
    "a",
    "the",
    "red",
    "old",
    "small",
    "photo",
    "house",
    "dog",
    "cat",
    "tree",
    "on",
    "in",
    "market",
    "bicycle",
)
PROGRESS = re.compile(r"Data \(t\): ([\d.]+) Batch \(t\): ([\d.]+)")
ROUNDS = 2
_USER_TIME, _SYSTEM_TIME = 11, 12  # fields of /proc/PID/stat behind the command's name


@dataclass(frozen=True)
class Setting:
    """What both train."""

    preset: str
    precision: str
    peer_precision: str
    batch_size: int
    steps: int
    workers: int


CPU = Setting("ViT-tiny", "fp32", "fp32", 64, 16, 1)
GPU = Setting("ViT-B-32", "bf16", "amp_bfloat16", 4096, 60, 14)
LOG_EVERY = 4


@dataclass(frozen=True)
class Pace:
    """What one run reached, its first stretch (start-up, warm-up) left out."""

    samples_per_second: float
    samples_per_cpu_second: float
    """Of the process that trains, without those that decode."""
    data_wait_share: float
    mfu: float | None = None


def photo(number: int) -> bytes:
    """Make a JPEG of about 15 kB, 256 px at its shorter side, that looks like a blurred photo."""
    random = np.random.default_rng(number)
    coarse = random.integers(0, 255, (24, 32, 3), np.uint8)
    image = cv2.resize(coarse, (341, 256), interpolation=cv2.INTER_LINEAR).astype(np.int16)
    image += random.normal(0, 6, image.shape).astype(np.int16)
    pixels = image.clip(0, 255).astype(np.uint8)
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])[1])


def caption(number: int) -> bytes:
    """Make a caption of 3 to 20 words, as alternative texts are long."""
    random = np.random.default_rng([number, 1])
    return " ".join(random.choice(WORDS, random.integers(3, 21)).tolist()).encode()


def write_shards(folder: Path, samples: int) -> str:
    """Write made-up photos; only so many are different that it does not take long."""
    photos = [photo(number) for number in range(min(samples, 2_000))]
    for shard in range(-(-samples // SHARD_SAMPLES)):
        members = {}
        for place in range(SHARD_SAMPLES):
            number = shard * SHARD_SAMPLES + place
            members[f"{number:09d}.jpg"] = photos[number % len(photos)]
            members[f"{number:09d}.txt"] = caption(number)
        write_tar(folder / f"{shard:05d}.tar", members)
    return str(folder)


def ours(setting: Setting, shards: str, folder: Path) -> Pace:
    """Run `wit train`."""
    command = [sys.executable, "-m", "pipelines.train", "--shards", shards, "--output", str(folder)]
    command += ["--preset", str(write_preset(setting, folder.parent)), "--workers", str(setting.workers)]
    _, rates = run(command, "samples/s", setting)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()][1:]
    wait = float(np.mean([line["data_wait_share"] for line in lines]))
    return Pace(*rates, wait, float(np.mean([line["mfu"] for line in lines])) if "mfu" in lines[0] else None)


def write_preset(setting: Setting, folder: Path) -> Path:
    """Write the preset with open_clip's crop, so that both do the same to an image."""
    preset = load_preset(setting.preset)
    told = {name: value for name, value in vars(preset).items() if name not in ("name", "epochs")}
    told |= {"steps": setting.steps, "batch_size": setting.batch_size, "precision": setting.precision}
    told |= {"crop": "resized", "log_every": LOG_EVERY, "checkpoint_every": setting.steps}
    path = folder / "bench.yaml"
    path.write_text(yaml.safe_dump(told))
    return path


def peer(setting: Setting, shards: str, folder: Path) -> Pace:
    """Run open_clip_train."""
    folder.mkdir()
    preset = load_preset(setting.preset)
    (folder / "bench-model.json").write_text(json.dumps(model_config(preset.model)))
    options: dict[str, Any] = {
        "train-data": "{" + ",".join(index_shards(shards, "txt").paths) + "}",
        "dataset-type": "webdataset",
        "train-num-samples": setting.steps * setting.batch_size,
        "batch-size": setting.batch_size,
        "model": "bench-model",
        "precision": setting.peer_precision,
        "workers": setting.workers,
        "epochs": 1,
        "lr": preset.learning_rate,
        "beta2": preset.beta2,
        "eps": preset.epsilon,
        "wd": preset.weight_decay,
        "warmup": preset.warmup_steps,
        "log-every-n-steps": LOG_EVERY,
        "logs": folder,
        "name": "peer",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    model = str(folder / "bench-model.json")
    command = [sys.executable, "-m", "tests.bench.open_clip_peer", model, *words, "--dataset-resampled"]
    text, rates = run(command, "Batch (t)", setting)
    steps = [tuple(map(float, found)) for found in PROGRESS.findall(text)][1:]
    data, batch = (sum(times) for times in zip(*steps, strict=True))
    return Pace(*rates, data / batch)


def run(command: list[str], mark: str, setting: Setting) -> tuple[str, tuple[float, float]]:
    """Run a trainer; give what it printed, and samples a second and a processor second.

    Rates are taken between the first and the last line that holds `mark`, of one every
    `LOG_EVERY` steps (open_clip's first is step 1's: it counts from 0).
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    lines, seen = [], []
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if mark in line:
                seen.append((time.perf_counter(), cpu_seconds(process.pid)))
    if process.returncode:
        raise RuntimeError("".join(lines))
    whole = seen[: 1 + (setting.steps - 1) // LOG_EVERY]  # open_clip's last stretch may be shorter
    samples = (len(whole) - 1) * LOG_EVERY * setting.batch_size
    wall, cpu = (last - first for first, last in zip(whole[0], whole[-1], strict=True))
    return "".join(lines), (samples / wall, samples / cpu)


def cpu_seconds(pid: int) -> float:
    """Give the processor time of one process so far, its children left out."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[_USER_TIME]) + int(fields[_SYSTEM_TIME])) / os.sysconf("SC_CLK_TCK")


def in_turn(setting: Setting, shards: str, folder: Path) -> Iterator[tuple[Pace, Pace]]:
    """Run both a few times, one after the other."""
    for number in range(ROUNDS):
        mine = ours(setting, shards, folder / f"ours{number}")
        yield mine, peer(setting, shards, folder / f"peer{number}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards")
    parser.add_argument("--gpu", action="store_true")
    options = parser.parse_known_args()[0]
    setting = GPU if options.gpu else CPU
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shards = options.shards or write_shards(folder / "shards", max(4096, 2 * setting.batch_size))
        for mine, theirs in in_turn(setting, shards, folder):
            title = f"{setting.preset} {setting.precision} batch {setting.batch_size}"
            for unit, field in (
                ("samples/s", "samples_per_second"),
                ("samples/CPU s", "samples_per_cpu_second"),
            ):
                rows.append(
                    compare(title, unit, getattr(mine, field), getattr(theirs, field), "open_clip_train")
                )
            share = f"data wait {mine.data_wait_share:.1%} (peer {theirs.data_wait_share:.1%})"
            Console().print(share if mine.mfu is None else f"{share}  MFU {mine.mfu:.1%}")
    report("training, data loading included", rows)


if __name__ == "__main__":
    main()
