"""CLIP's optimiser: AdamW without decay on gains and biases, warm-up, then a cosine."""

import math

import torch
from torch import nn

from trainer.presets import Preset

LARGEST_LOGIT_SCALE = 100.0


def build_optimizer(model: nn.Module, preset: Preset) -> torch.optim.AdamW:
    """Make AdamW; weight decay only on "all weights that are not gains or biases" (CLIP, 2.5).

    Those, and the logit scale, are the parameters of fewer than two dimensions.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": preset.weight_decay},
    ]
    return torch.optim.AdamW(
        groups, lr=preset.learning_rate, betas=(preset.beta1, preset.beta2), eps=preset.epsilon, fused=True
    )


def learning_rate(step: int, steps: int, preset: Preset) -> float:
    """Give a step's learning rate: linear warm-up, then a cosine to 0 (open_clip's `cosine_lr`).

    Args:
        step: steps done before, from 0.
        steps: steps of the whole training.
        preset: gives the peak and the warm-up steps.
    """
    warmup = min(preset.warmup_steps, steps)
    if step < warmup:
        return preset.learning_rate * (step + 1) / warmup
    return preset.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


@torch.no_grad()
def clip_logit_scale(logit_scale: torch.Tensor) -> None:
    """Keep the scale of the logits, exp(`logit_scale`), at 100 or less (CLIP, 2.5)."""
    logit_scale.clamp_(max=math.log(LARGEST_LOGIT_SCALE))
