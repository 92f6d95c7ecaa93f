"""Tiny shards of coloured squares and a tiny model, for the trainer's tests."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

COLOURS = ("red", "lime", "blue", "yellow", "black", "white")

TINY = """
model:
  embed_dim: 16
  vision_cfg: {image_size: 32, layers: 1, width: 32, head_width: 16, patch_size: 8}
  text_cfg: {context_length: 8, vocab_size: 49408, width: 16, heads: 2, layers: 1}
epochs: 2
batch_size: 8
learning_rate: 1.0e-3
warmup_steps: 2
weight_decay: 0.2
beta1: 0.9
beta2: 0.98
epsilon: 1.0e-6
crop_scale: 0.7
precision: fp32
log_every: 1
checkpoint_every: 3
"""


def tiny_preset(folder: Path) -> str:
    """Write the tiny preset's file."""
    path = folder / "tiny.yaml"
    path.write_text(TINY)
    return str(path)


def jpeg(number: int, width: int = 48, height: int = 40) -> bytes:
    """Give a JPEG of one colour with a black patch whose place depends on the number."""
    image = Image.new("RGB", (width, height), COLOURS[number % len(COLOURS)])
    image.paste("black", (number % 30, number % 20, number % 30 + 10, number % 20 + 10))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()


def caption(number: int) -> str:
    return f"a {COLOURS[number % len(COLOURS)]} square, number {number}"


def write_tar(path: Path, members: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def write_shards(folder: Path, counts: tuple[int, ...], broken: frozenset[int] = frozenset()) -> str:
    """Write one shard a count, with captions and sizes.json; the broken numbers are no images."""
    number = 0
    for shard, count in enumerate(counts):
        members = {}
        for place in range(count):
            key = f"{shard:05d}{place:04d}"
            members[f"{key}.jpg"] = b"no image" if number in broken else jpeg(number)
            members[f"{key}.txt"] = caption(number).encode()
            members[f"{key}.json"] = b"{}"
            number += 1
        write_tar(folder / f"{shard:05d}.tar", members)
    sizes = {f"{shard:05d}.tar": count for shard, count in enumerate(counts)}
    (folder / "sizes.json").write_text(json.dumps(sizes))
    return str(folder)


def unit_rows(rows: int, columns: int, seed: int) -> npt.NDArray[np.float64]:
    """Give random rows of length 1: float64, (rows, columns)."""
    values: npt.NDArray[np.float64] = np.random.default_rng(seed).normal(size=(rows, columns))
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return values
