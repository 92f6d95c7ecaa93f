"""Presets: a model and the recipe to train it, as data (`*.yaml` beside this file)."""

import difflib
from dataclasses import dataclass, fields, replace
from importlib import resources
from typing import Any

import yaml

from trainer.options import TrainOptions
from wit_builder.storage import UserError, basename, read_bytes

PRECISIONS = ("fp32", "bf16", "fp16")
CROPS = ("square", "resized")
LOCKS = ("none", "image", "text", "both")
BALANCES = ("none", "online")
CHOICES = {"precision": PRECISIONS, "crop": CROPS, "lock": LOCKS, "balance": BALANCES}
POSITIVE = (
    "epochs", "steps", "batch_size", "learning_rate", "checkpoint_every", "log_every",
    "micro_batch", "balance_cap",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One recipe.

    Attributes:
        name: the preset's name.
        model: an open_clip model name, or an open_clip model config (embed_dim,
            vision_cfg, text_cfg).
        epochs: passes over the data; None if `steps` is set.
        steps: optimiser steps; None if `epochs` is set.
        batch_size: samples a step, over all processes together.
        learning_rate: the peak, reached after `warmup_steps` and followed by a
            cosine down to 0.
        weight_decay: AdamW's, on matrices only.
        crop_scale: smallest side of the random square crop, as a share of the
            image's shorter side. 1.0 is CLIP's crop.
        precision: `fp32`, or autocast to `bf16` or to `fp16` with a scaled loss.
        log_every: steps between two lines of metrics.jsonl.
        checkpoint_every: steps between two checkpoints.
        crop: `square` as CLIP's, or `resized`: open_clip's random resized crop, which
            ignores `crop_scale`.
        pretrained: where the first weights come from; see `weights.starting_model`.
        lock: towers that are not trained: `none`, `image`, `text`, `both`.
        micro_batch: samples a process encodes at once; the contrastive batch stays
            whole. None: all of its share.
        grad_checkpointing: keep few activations and compute them again.
        compile: let torch.compile fuse the model.
        balance: `none`, or `online`: draw samples by the rarity of their queries.
        balance_cap: with `online`, samples of a query an epoch aims at.
    """

    name: str
    model: str | dict[str, Any]
    epochs: int | None = None
    steps: int | None = None
    batch_size: int
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    beta1: float
    beta2: float
    epsilon: float
    crop_scale: float
    precision: str
    log_every: int
    checkpoint_every: int
    crop: str = "square"
    pretrained: str | None = None
    lock: str = "none"
    micro_batch: int | None = None
    grad_checkpointing: bool = False
    compile: bool = False
    balance: str = "none"
    balance_cap: int = 20_000

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.steps is None):
            raise UserError(
                f"preset {self.name} has epochs {self.epochs}, steps {self.steps}; give one of them"
            )
        for name in POSITIVE:
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UserError(f"{name} is {value}; give a number above 0")
        if not 0 < self.crop_scale <= 1:
            raise UserError(f"crop_scale is {self.crop_scale}; give a number above 0, at most 1")
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise UserError(f"{name} {value!r} is unknown; use one of {', '.join(allowed)}")


def preset_names() -> list[str]:
    """List the presets, sorted."""
    files = resources.files(__name__).iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def load_preset(name: str) -> Preset:
    """Read a preset by its name, or any `.yaml` file of the same form.

    Raises:
        UserError: there is no such preset (the message names near ones), or the
            file lacks a value or holds an unknown one.
    """
    if name.endswith(".yaml"):
        text, name = read_bytes(name).decode("utf-8"), basename(name).removesuffix(".yaml")
    else:
        names = preset_names()
        if name not in names:
            near = difflib.get_close_matches(name, names, cutoff=0.4) or names
            raise UserError(f"preset {name!r} is unknown; did you mean {' or '.join(near)}?")
        text = (resources.files(__name__) / f"{name}.yaml").read_text()
    try:
        return Preset(name=name, **yaml.safe_load(text))
    except (TypeError, yaml.YAMLError) as error:
        raise UserError(
            f"preset {name} cannot be used: {error}; compare it with trainer/presets/demo.yaml"
        ) from None


def recipe(options: TrainOptions) -> Preset:
    """Give the preset that the options name, with their overrides.

    Raises:
        UserError: an unknown preset, a value out of range, or both epochs and steps.
    """
    if options.epochs is not None and options.steps is not None:
        raise UserError("both epochs and steps are given; give one of them")
    names = {field.name for field in fields(Preset)} & {field.name for field in fields(TrainOptions)}
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if given.keys() & {"epochs", "steps"}:
        given = {"epochs": None, "steps": None} | given
    return replace(load_preset(options.preset), **given)
