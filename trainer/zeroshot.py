"""Zero-shot classification, as CLIP does it (Radford et al. 2021, 3.1)."""

from collections.abc import Callable

import torch
from torch.nn import functional

from trainer.metrics import LARGEST_K


def class_features(
    encode: Callable[[list[str]], torch.Tensor], class_names: list[str], templates: list[str]
) -> torch.Tensor:
    """Give each class the mean of its prompts' L2-normalised features, normalised again.

    Args:
        encode: n texts to float (n, d), L2-normalised.
        class_names: the classes.
        templates: prompts with `{c}` where the class name goes, as in CLIP_benchmark.

    Returns:
        float, (classes, d), L2-normalised.
    """
    prompts = [template.replace("{c}", name) for name in class_names for template in templates]
    features = encode(prompts).view(len(class_names), len(templates), -1)
    return functional.normalize(features.mean(dim=1), dim=-1)


def zeroshot_chance(labels: torch.Tensor, classes: int) -> dict[str, float]:
    """Give what guessing scores, and `majority_class_share`: acc1 of always saying the commonest class.

    Args:
        labels: int64, (n,).
        classes: number of classes, the ones that do not occur included.
    """
    chance = {"acc1": 1 / classes, "mean_per_class_recall": 1 / classes}
    if classes >= LARGEST_K:
        chance["acc5"] = LARGEST_K / classes
    return chance | {"majority_class_share": labels.bincount().max().item() / len(labels)}
