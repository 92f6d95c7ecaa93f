"""Model FLOPs utilisation: what of a GPU's peak the model's own arithmetic uses.

    MFU = samples/s * FLOPs a sample / (processes * peak FLOP/s of one GPU)

(Chowdhery et al. 2022, PaLM, appendix B). FLOPs are those of matrix products and
convolutions, two a multiply-add, counted by torch; a backward pass costs two forward
passes (Kaplan et al. 2020, section 2.1). What gradient checkpointing and micro-batches
compute again is not counted.
"""

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from trainer.models import ModelConfig, build_model, image_size

PASSES = 3  # a forward and a backward
PEAK_FLOPS = {"H200": 989e12, "H100": 989e12, "A100": 312e12}
"""Dense bf16 and fp16 FLOP/s of the SXM cards, by NVIDIA's data sheets."""


def training_flops(config: ModelConfig, text_length: int) -> int:
    """Count the FLOPs of training on one sample, both towers trained.

    Args:
        config: as `build_model` takes it.
        text_length: tokens that the text tower reads.
    """
    with torch.device("meta"), torch.no_grad():
        model: Any = build_model(config)
        side = image_size(model)
        counter = FlopCounterMode(display=False)
        with counter:
            model.train()(torch.empty(1, 3, side, side), torch.empty(1, text_length, dtype=torch.int64))
    return PASSES * int(counter.get_total_flops())


def peak_flops(device: torch.device) -> float | None:
    """Give the dense half-precision FLOP/s of a known GPU; None for others and for CPUs."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for card, peak in PEAK_FLOPS.items() if card in name), None)
