"""What a training starts from, and what it leaves as it is (LiT: Zhai et al. 2021, arXiv:2111.07991)."""

from typing import Any

import open_clip
from open_clip.modified_resnet import ModifiedResNet
from torch import nn

from trainer.checkpoint import checkpoint_path, read_checkpoint
from trainer.models import ModelConfig, build_model
from wit_builder.storage import UserError

TOWERS = "towers"


def starting_model(config: ModelConfig, pretrained: str | None) -> nn.Module:
    """Make a model with random or given weights.

    Args:
        config: as `build_model` takes it.
        pretrained: a run's folder or a checkpoint of ours or open_clip's; a tag of open_clip's;
            `towers`, for the weights that timm and Hugging Face publish; None: random.

    Raises:
        UserError: no weights of that name, or another model's.
    """
    if pretrained is None:
        return build_model(config)
    if pretrained == TOWERS:
        return build_model(_with_published_towers(config))
    model = build_model(config)
    path = checkpoint_path(pretrained)
    if path is not None:
        load_weights(model, read_checkpoint(path)["state_dict"], path)
        return model
    known = open_clip.list_pretrained_tags_by_model(config) if isinstance(config, str) else []
    if pretrained not in known:
        raise UserError(
            f"pretrained {pretrained!r} is neither a file nor a tag of the model; "
            f"give a checkpoint, {TOWERS}, or one of {', '.join(known) or 'no tags'}"
        )
    try:
        loaded = open_clip.create_model(config, pretrained=pretrained)
    except (RuntimeError, OSError) as error:
        raise UserError(f"the weights {pretrained} cannot be had: {error}; give a checkpoint file") from None
    load_weights(model, loaded.state_dict(), pretrained)
    return model


def load_weights(model: Any, state: dict[str, Any], source: str) -> None:
    """Load weights into a model; image position embeddings are interpolated to its resolution.

    Raises:
        UserError: they are another model's; the message names a weight.
    """
    state = {name.removeprefix("module."): value for name, value in state.items()}
    open_clip.factory.resize_pos_embed(state, model)
    own = model.state_dict()
    differing = sorted(own.keys() ^ state.keys())
    differing += [name for name in own if name in state and own[name].shape != state[name].shape]
    if differing:
        raise UserError(f"{source} is a checkpoint of another model (see {differing[0]}); give that model's")
    model.load_state_dict(state)


def lock_towers(model: Any, lock: str) -> None:
    """Freeze a tower, or both up to the projections: `none`, `image`, `text`, `both`.

    A timm or Hugging Face tower keeps a trained projection; one of open_clip's is frozen whole.

    Raises:
        UserError: nothing is left to train but the logit scale.
    """
    if lock in ("image", "both"):
        model.lock_image_tower(unlocked_groups=0, freeze_bn_stats=True)
    if lock in ("text", "both"):
        model.lock_text_tower(unlocked_layers=0, freeze_layer_norm=True)
    if not any(parameter.requires_grad and parameter.ndim >= 2 for parameter in model.parameters()):
        raise UserError(f"lock {lock} leaves nothing to train; lock one tower, or use timm and HF towers")


def checkpoint_activations(model: Any) -> None:
    """Keep few activations for the backward pass and compute the others again.

    Raises:
        UserError: the image tower is a ResNet of CLIP's, which open_clip cannot do it for.
    """
    if isinstance(model.visual, ModifiedResNet):
        raise UserError("grad_checkpointing does nothing for CLIP's ResNets; use micro_batch instead")
    model.set_grad_checkpointing(True)


def _with_published_towers(config: ModelConfig) -> dict[str, Any]:
    if isinstance(config, str) or not (
        "timm_model_name" in config["vision_cfg"] or "hf_model_name" in config["text_cfg"]
    ):
        raise UserError(f"pretrained {TOWERS} needs a timm or HF tower; give vision_tower or text_tower")
    vision, text = dict(config["vision_cfg"]), dict(config["text_cfg"])
    if "timm_model_name" in vision:
        vision["timm_model_pretrained"] = True
    if "hf_model_name" in text:
        text["hf_model_pretrained"] = True
    return {**config, "vision_cfg": vision, "text_cfg": text}
