"""The finished model as open_clip's `local-dir:` wants it; CLIP_benchmark takes the same name."""

import json
from typing import Any

import open_clip
from safetensors.torch import save
from torch import nn

from trainer.models import ModelConfig, model_config
from trainer.towers import BagOfWordsCLIP
from wit_builder.storage import join, write_bytes

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"


def export(output: str, model: nn.Module, config: ModelConfig) -> None:
    """Write config and weights beside the checkpoint; nothing for a bag of words, which open_clip lacks."""
    if isinstance(model, BagOfWordsCLIP):
        return
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    write_bytes(join(output, WEIGHTS), save(weights))
    preprocess: dict[str, Any] = open_clip.get_model_preprocess_cfg(model)
    told = {"model_cfg": model_config(config), "preprocess_cfg": preprocess}
    write_bytes(join(output, CONFIG), (json.dumps(told, indent=2) + "\n").encode())
