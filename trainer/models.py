"""open_clip models by name, by config, or from one of our checkpoints."""

import difflib
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import open_clip
import timm
import torch
from open_clip.tokenizer import HFTokenizer
from open_clip.transform import PreprocessCfg
from torch import nn

from trainer.checkpoint import checkpoint_path, read_checkpoint
from trainer.towers import BAG_OF_WORDS, BagOfWordsCLIP, ShortTextCLIP
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
            `text_cfg: {cbow: true, vocab_size, width}` makes the text tower a bag of words.

    Raises:
        UserError: open_clip has no such model; the message names near ones.
    """
    settings = model_config(config)
    custom_text = settings.pop("custom_text", False)
    text = settings.get("text_cfg", {})
    kind = ShortTextCLIP
    if text.get(BAG_OF_WORDS):
        kind = BagOfWordsCLIP
    elif custom_text or "hf_model_name" in text:
        kind = open_clip.CustomTextCLIP
    try:
        model: nn.Module = kind(**settings, output_dict=True)
    except (TypeError, RuntimeError, OSError, KeyError) as error:
        raise UserError(f"open_clip cannot build the model {config!r}: {error}") from None
    _own_normalisation(model)
    return model


def model_config(config: ModelConfig) -> dict[str, Any]:
    """Give the open_clip config of a model: embed_dim, vision_cfg, text_cfg.

    Raises:
        UserError: open_clip has no such model; the message names near ones.
    """
    if isinstance(config, dict):
        return deepcopy(config)
    found: dict[str, Any] | None = open_clip.get_model_config(config)
    if found is None:
        near = difflib.get_close_matches(config, open_clip.list_models()) or ["ViT-B-32-quickgelu"]
        raise UserError(
            f"{config!r} is neither a file nor an open_clip model; did you mean {' or '.join(near)}?"
        )
    return found


def with_towers(config: ModelConfig, vision: str | None, text: str | None) -> ModelConfig:
    """Exchange the towers of a model.

    Args:
        config: the model; its embed_dim, image size and context length stay.
        vision: a timm model; None leaves the tower as it is.
        text: `cbow`, or a Hugging Face model by name or folder; None leaves the tower as it is.

    Raises:
        UserError: timm has no such model; the message names near ones.
    """
    if vision is None and text is None:
        return config
    settings = model_config(config)
    if vision is not None:
        if not timm.is_model(vision):
            near = difflib.get_close_matches(vision.partition(".")[0], timm.list_models()) or ["resnet50"]
            raise UserError(f"timm has no model {vision!r}; did you mean {' or '.join(near)}?")
        size = settings["vision_cfg"].get("image_size", 224)
        tower = {"timm_model_name": vision, "timm_model_pretrained": False, "timm_pool": ""}
        settings["vision_cfg"] = {"image_size": size, "timm_proj": "linear", **tower}
    if text is not None:
        length = settings["text_cfg"].get("context_length", 77)
        settings["text_cfg"] = {"context_length": length, **_text_tower(text, settings)}
    return settings


def _text_tower(text: str, settings: dict[str, Any]) -> dict[str, Any]:
    if text == BAG_OF_WORDS:
        words = settings["text_cfg"].get("vocab_size", 49408)
        width = settings["text_cfg"].get("width", settings["embed_dim"])
        return {BAG_OF_WORDS: True, "vocab_size": words, "width": width}
    names = {"hf_model_name": text, "hf_tokenizer_name": text, "hf_model_pretrained": False}
    return {**names, "hf_proj_type": "linear", "hf_pooler_type": "mean_pooler"}


def _own_normalisation(model: nn.Module) -> None:
    """Give a timm tower the mean and deviation it was made for, where training and evaluation look."""
    visual: Any = model.visual
    trunk: Any = getattr(visual, "trunk", None)
    if trunk is not None:
        made_for = trunk.pretrained_cfg
        visual.preprocess_cfg = {"mean": made_for["mean"], "std": made_for["std"], "size": visual.image_size}


def normalisation(model: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Give the mean and deviation of pixels, on a scale of 0 to 1, by channel."""
    settings = PreprocessCfg(**open_clip.get_model_preprocess_cfg(model))
    return tuple(settings.mean), tuple(settings.std)


def build_tokenizer(config: ModelConfig) -> Any:
    """Make the tokenizer of a model: list of n strings to int64 (n, context_length)."""
    if isinstance(config, str):
        return open_clip.get_tokenizer(config)
    text = config["text_cfg"]
    length = text.get("context_length", 77)
    if "hf_tokenizer_name" in text:
        return HFTokenizer(text["hf_tokenizer_name"], context_length=length)
    return open_clip.SimpleTokenizer(context_length=length)


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
