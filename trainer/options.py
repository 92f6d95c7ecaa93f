"""The options of training and evaluation; imports nothing heavy, so that `--help` is quick.

A field without a default is required. `None` means: the preset's value.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What one training run is told."""

    shards: str = field(metadata={"help": "folder of WebDataset shards (tars with .jpg and .txt members)"})
    output: str = field(metadata={"help": "folder for checkpoint and metrics; an unfinished run goes on"})
    preset: str = field(metadata={"help": "model and recipe: ViT-B-32, RN50, demo (for a CPU), or a .yaml"})
    epochs: int | None = field(default=None, metadata={"help": "passes over the data"})
    steps: int | None = field(default=None, metadata={"help": "optimiser steps, instead of epochs"})
    batch_size: int | None = field(default=None, metadata={"help": "samples a step, over all processes"})
    learning_rate: float | None = field(default=None, metadata={"help": "peak learning rate, after warm-up"})
    precision: str | None = field(default=None, metadata={"help": "fp32 or bf16 (autocast)"})
    checkpoint_every: int | None = field(default=None, metadata={"help": "steps between checkpoints"})
    workers: int = field(default=1, metadata={"help": "image decoding processes a training process; 0: none"})
    seed: int = field(default=0, metadata={"help": "seed of weights, sample order and crops"})


@dataclass(frozen=True, kw_only=True)
class EvalOptions:
    """What one evaluation is told."""

    checkpoint: str = field(
        metadata={"help": "a training output folder, its checkpoint.pt, or an open_clip MODEL[:PRETRAINED]"}
    )
    output: str = field(metadata={"help": "folder for eval.json and manifest"})
    zeroshot: str | None = field(
        default=None,
        metadata={
            "help": "folder in CLIP_benchmark's layout: tars of images and .cls, classnames.txt, templates"
        },
    )
    retrieval: str | None = field(
        default=None,
        metadata={"help": "folder of shards (DATASET/holdout); each line of .txt is a caption"},
    )
    batch_size: int = field(default=128, metadata={"help": "images or texts encoded at once"})
    workers: int = field(default=1, metadata={"help": "image decoding processes; 0: none"})
