"""Scores of a classification, by the names CLIP_benchmark gives them where it has one.

All are shares from 0 to 1. Which one the paper reports for a data set stands in the registry.
"""

from collections.abc import Callable

import torch
from scipy.special import betaincinv

from wit_builder.storage import UserError

Score = Callable[[torch.Tensor, torch.Tensor], float]

LARGEST_K = 5
RECALL_LEVELS = 11


def ahead(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Count the other classes that score as high as the right one or higher: int64, (n,).

    Args:
        logits: float, (n, classes).
        labels: int64, (n,).
    """
    own = logits.gather(1, labels[:, None])
    return (logits >= own).sum(dim=1) - 1


def acc1(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Give the share of images whose right class scores highest; a tie counts as wrong."""
    return (ahead(logits, labels) == 0).double().mean().item()


def acc5(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Give the share of images whose right class is among the five highest."""
    return (ahead(logits, labels) < LARGEST_K).double().mean().item()


def mean_per_class_recall(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Average acc1 over the classes that occur (scikit-learn's balanced accuracy)."""
    right = (ahead(logits, labels) == 0).double()
    return torch.stack([right[labels == label].mean() for label in torch.unique(labels)]).mean().item()


def mean_average_precision_11(logits: torch.Tensor, targets: torch.Tensor) -> float:
    """Average VOC2007's 11-point interpolated precision over the classes (Everingham et al. 2010, 4.2).

    Args:
        logits: float, (n, classes).
        targets: 0 and 1, (n, classes). A class that does not occur is left out.
    """
    classes = [name for name in range(targets.shape[1]) if targets[:, name].any()]
    points = [_eleven_points(logits[:, name], targets[:, name]) for name in classes]
    return sum(points) / len(points)


def _eleven_points(scores: torch.Tensor, relevant: torch.Tensor) -> float:
    found = relevant[scores.argsort(descending=True, stable=True)].double().cumsum(0)
    precision = found / torch.arange(1, len(found) + 1, device=found.device)
    best_from = precision.flip(0).cummax(0).values.flip(0)
    levels = torch.arange(RECALL_LEVELS, device=found.device) * found[-1] / (RECALL_LEVELS - 1)
    return best_from[torch.searchsorted(found, levels - 1e-9)].mean().item()


def roc_auc(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Give the area under the ROC curve of two classes, the second being the one sought.

    That is the share of (second, first) pairs in the right order, a tie half (Hanley and McNeil 1982).

    Raises:
        UserError: there are not two classes, or one does not occur.
    """
    if logits.shape[1] != 2 or len(torch.unique(labels)) != 2:
        raise UserError(f"roc_auc needs images of two classes, not of {logits.shape[1]}; give another metric")
    scores = (logits[:, 1] - logits[:, 0]).double()
    values, place = torch.unique(scores, return_inverse=True)
    counts = torch.bincount(place, minlength=len(values)).double()
    ranks = (counts.cumsum(0) - (counts - 1) / 2)[place]  # from 1, the mean among equals
    positives = int((labels == 1).sum())
    above = ranks[labels == 1].sum().item() - positives * (positives + 1) / 2
    return above / (positives * (len(labels) - positives))


METRICS: dict[str, Score] = {
    "acc1": acc1,
    "mean_per_class_recall": mean_per_class_recall,
    "mean_average_precision_11": mean_average_precision_11,
    "roc_auc": roc_auc,
}


def metric_of(name: str) -> Score:
    """Give a score by its name.

    Raises:
        UserError: there is none of that name.
    """
    if name not in METRICS:
        raise UserError(f"metric {name!r} is unknown; use one of {', '.join(METRICS)}")
    return METRICS[name]


def classification_metrics(logits: torch.Tensor, targets: torch.Tensor, main: str) -> dict[str, float]:
    """Give acc1, acc5 (with at least 5 classes), mean_per_class_recall and the data set's main metric.

    Args:
        logits: float, (n, classes).
        targets: int64 classes, (n,); or 0 and 1, (n, classes), for images of several labels,
            which have the main metric alone.
        main: out of `METRICS`.
    """
    if targets.ndim == 2:
        return {"mean_average_precision_11": mean_average_precision_11(logits, targets)}
    scores = {"acc1": acc1(logits, targets), "mean_per_class_recall": mean_per_class_recall(logits, targets)}
    if logits.shape[1] >= LARGEST_K:
        scores["acc5"] = acc5(logits, targets)
    return scores | {main: metric_of(main)(logits, targets)}


def clopper_pearson(successes: int, trials: int, confidence: float) -> tuple[float, float]:
    """Give the exact two-sided interval of a share (Clopper and Pearson 1934).

    Args:
        successes: how many of the trials succeeded.
        trials: how many there were; without any the interval is all of 0 to 1.
        confidence: such as 0.95.
    """
    tail = (1 - confidence) / 2
    low = float(betaincinv(successes, trials - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, trials - successes, 1 - tail)) if successes < trials else 1.0
    return (low, high) if trials else (0.0, 1.0)
