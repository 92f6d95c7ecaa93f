"""open_clip models by name, by config, or from one of our checkpoints."""

import difflib
from dataclasses import dataclass
from typing import Any

import open_clip
import torch
from torch import nn

from trainer.checkpoint import checkpoint_path, read_checkpoint
from wit_builder.storage import UserError

ModelConfig = str | dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model to evaluate.

    Attributes:
        model: an open_clip model in evaluation mode.
        tokenizer: list of n strings to int64 tokens of shape (n, context_length).
        name: the model's name, for the report.
        pretrained: where its weights come from, for the report.
    """

    model: nn.Module
    tokenizer: Any
    name: str
    pretrained: str


def build_model(config: ModelConfig) -> nn.Module:
    """Make an open_clip model with random weights (from torch's global seed), in float32.

    Args:
        config: an open_clip model name, or its config: embed_dim, vision_cfg, text_cfg.

    Raises:
        UserError: open_clip has no such model; the message names near ones.
    """
    settings = model_config(config)
    kind = open_clip.CustomTextCLIP if settings.pop("custom_text", False) else open_clip.CLIP
    try:
        model: nn.Module = kind(**settings, output_dict=True)
    except (TypeError, RuntimeError) as error:
        raise UserError(f"open_clip cannot build the model {config!r}: {error}") from None
    return model


def model_config(config: ModelConfig) -> dict[str, Any]:
    """Give the open_clip config of a model: embed_dim, vision_cfg, text_cfg.

    Raises:
        UserError: open_clip has no such model; the message names near ones.
    """
    if isinstance(config, dict):
        return dict(config)
    found: dict[str, Any] | None = open_clip.get_model_config(config)
    if found is None:
        names = open_clip.list_models()
        near = difflib.get_close_matches(config, names) or ["ViT-B-32-quickgelu"]
        raise UserError(
            f"{config!r} is neither a file nor an open_clip model; did you mean {' or '.join(near)}?"
        )
    return found


def build_tokenizer(config: ModelConfig) -> Any:
    """Make the tokenizer of a model: list of n strings to int64 (n, context_length)."""
    if isinstance(config, str):
        return open_clip.get_tokenizer(config)
    return open_clip.SimpleTokenizer(context_length=config["text_cfg"].get("context_length", 77))


def image_size(model: nn.Module) -> int:
    """Give the side, in pixels, of the square images that the model reads."""
    visual: Any = model.visual
    size = visual.image_size
    return int(size[0] if isinstance(size, tuple) else size)


def load_model(source: str, device: torch.device) -> LoadedModel:
    """Load a model to evaluate.

    Args:
        source: a training output folder, a checkpoint file of ours, or an open_clip
            `MODEL` (random weights) or `MODEL:PRETRAINED` (a tag or a file).
        device: where to put it.

    Raises:
        UserError: nothing of that name can be loaded.
    """
    path = checkpoint_path(source)
    if path is not None:
        state = read_checkpoint(path)
        if "model" not in state:
            raise UserError(f"{path} names no model; give it to an open_clip model, as MODEL:{path}")
        model, config = build_model(state["model"]), state["model"]
        model.load_state_dict(state["state_dict"])
        name, pretrained = state["name"], source
    else:
        config, _, pretrained = source.partition(":")
        model_config(config)
        try:
            model = open_clip.create_model(config, pretrained=pretrained or None, output_dict=True)
        except RuntimeError as error:
            raise UserError(f"open_clip cannot load {source}: {error}") from None
        name = config
    return LoadedModel(
        model=model.to(device).eval(), tokenizer=build_tokenizer(config), name=name, pretrained=pretrained
    )
