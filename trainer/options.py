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
    model: str | None = field(default=None, metadata={"help": "an open_clip model instead of the preset's"})
    vision_tower: str | None = field(default=None, metadata={"help": "a timm model as image tower"})
    text_tower: str | None = field(
        default=None, metadata={"help": "cbow (bag of words), or a Hugging Face model as text tower"}
    )
    pretrained: str | None = field(
        default=None,
        metadata={"help": "first weights: a run or checkpoint, an open_clip tag, or towers (published)"},
    )
    lock: str | None = field(
        default=None, metadata={"help": "towers that stay as they are: none, image (LiT), text, both"}
    )
    epochs: int | None = field(default=None, metadata={"help": "passes over the data"})
    steps: int | None = field(default=None, metadata={"help": "optimiser steps, instead of epochs"})
    batch_size: int | None = field(default=None, metadata={"help": "samples a step, over all processes"})
    learning_rate: float | None = field(default=None, metadata={"help": "peak learning rate, after warm-up"})
    warmup_steps: int | None = field(default=None, metadata={"help": "steps to the peak learning rate"})
    precision: str | None = field(default=None, metadata={"help": "fp32, or autocast to bf16 or fp16"})
    crop: str | None = field(
        default=None, metadata={"help": "square (CLIP's random square), or resized (open_clip's)"}
    )
    micro_batch: int | None = field(
        default=None,
        metadata={"help": "samples a process encodes at once; the contrastive batch stays whole"},
    )
    grad_checkpointing: bool | None = field(
        default=None, metadata={"help": "compute activations again instead of keeping them"}
    )
    compile: bool | None = field(default=None, metadata={"help": "fuse the model by torch.compile"})
    balance: str | None = field(
        default=None, metadata={"help": "none, or online: draw samples by the rarity of their queries"}
    )
    balance_cap: int | None = field(
        default=None, metadata={"help": "with balance online: samples of a query an epoch aims at"}
    )
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
    zeroshot: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "data set to classify by prompts, as often as wanted: a folder (CLIP_benchmark's tars, "
            "Parquet, folders of classes), a known name such as cifar10, torchvision:CLASS, huggingface:NAME"
        },
    )
    retrieval: tuple[str, ...] = field(
        default=(),
        metadata={"help": "folder of shards (DATASET/holdout); each line of .txt is a caption"},
    )
    probe: tuple[str, ...] = field(
        default=(), metadata={"help": "data set with a train split, for a linear probe by CLIP's protocol"}
    )
    few_shot: tuple[str, ...] = field(
        default=(), metadata={"help": "data set with a train split, for probes on 1 to 16 images a class"}
    )
    data_root: str | None = field(
        default=None, metadata={"help": "folder of the data sets given by a known name"}
    )
    prompt_ablation: bool = field(
        default=False, metadata={"help": "zero-shot also by the bare class name and by one template"}
    )
    overlap: str | None = field(
        default=None, metadata={"help": "training shards; tells which of zeroshot's images they hold"}
    )
    overlap_by: str = field(
        default="phash", metadata={"help": "near by phash (PDQ) or embedding (the model's, cosine 0.95)"}
    )
    seeds: int = field(default=3, metadata={"help": "draws for each number of shots"})
    batch_size: int = field(default=128, metadata={"help": "images or texts encoded at once"})
    workers: int = field(default=1, metadata={"help": "image decoding processes; 0: none"})
