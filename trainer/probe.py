"""The linear probe by CLIP's protocol (Radford et al. 2021, A.3), and few-shot probes.

Features before the projection into the joint space; logistic regression to its
optimum; its strength from 1e-6 to 1e6 on 8 steps a decade (97 values, 96 steps),
found on the validation split by halving the interval around the peak. The chosen
strength is fitted again on training and validation images together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from trainer.logistic import Fit, Problem
from trainer.metrics import Score, metric_of
from wit_builder.storage import UserError

STRENGTHS = [10 ** (exponent / 8) for exponent in range(-48, 49)]
FIRST_STEP = 16  # two decades
SHOTS = (1, 2, 4, 8, 16)
MOST_VALIDATION_SHOTS = 4


@dataclass(frozen=True)
class Labelled:
    """Features and what they are.

    Attributes:
        features: float32, (n, d).
        targets: int64 classes, (n); or 0 and 1, (n, classes), where an image has several labels.
    """

    features: torch.Tensor
    targets: torch.Tensor

    def take(self, rows: torch.Tensor) -> "Labelled":
        """Give some rows: int64, or bool of shape (n)."""
        return Labelled(self.features[rows], self.targets[rows])

    def __add__(self, other: "Labelled") -> "Labelled":
        features = torch.cat([self.features, other.features])
        return Labelled(features, torch.cat([self.targets, other.targets]))

    def to(self, device: torch.device) -> "Labelled":
        """Move both to a device."""
        return Labelled(self.features.to(device), self.targets.to(device))


def halving_search(score: Callable[[int], float]) -> int:
    """Find the place in `STRENGTHS` that scores best; of equals the strongest.

    Seven places two decades apart, then half the interval around the best, down to one step.
    """
    found = {place: score(place) for place in reversed(range(0, len(STRENGTHS), FIRST_STEP))}
    step = FIRST_STEP
    while step > 1:
        step //= 2
        best = max(found, key=lambda place: (found[place], place))
        near = {best + step, best - step} - found.keys()
        found |= {place: score(place) for place in sorted(near) if 0 <= place < len(STRENGTHS)}
    return max(found, key=lambda place: (found[place], place))


def choose_strength(train: Labelled, validation: Labelled, classes: int, metric: Score) -> float:
    """Give the strength whose fit on `train` scores best on `validation`.

    Each fit begins with that of the nearest strength.
    """
    problem = Problem.of(train.features, train.targets, classes)
    fits: dict[int, Fit] = {}

    def score(place: int) -> float:
        start = fits[min(fits, key=lambda other: abs(other - place))] if fits else None
        fits[place] = problem.fit(STRENGTHS[place], start)
        return metric(fits[place].logits(validation.features), validation.targets)

    return STRENGTHS[halving_search(score)]


def linear_probe(
    train: Labelled, validation: Labelled, test: Labelled, classes: int, metric: str
) -> dict[str, Any]:
    """Fit and score a probe.

    Args:
        train: images to fit on.
        validation: images to choose the strength by; then fitted on, too.
        test: images to score.
        classes: number of classes.
        metric: name of the score that chooses, out of `metrics.METRICS`.

    Returns:
        `logits` of the test images, (n, classes), and the `strength` (scikit-learn's 1 / C).
    """
    strength = choose_strength(train, validation, classes, metric_of(metric))
    both = train + validation
    fit = Problem.of(both.features, both.targets, classes).fit(strength)
    return {"logits": fit.logits(test.features), "strength": strength}


def split_off(labelled: Labelled, seed: int, share: float = 0.2) -> tuple[Labelled, Labelled]:
    """Divide a training split that has no validation split: the rest, and a seeded share."""
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(labelled.targets)))
    held = max(1, int(len(order) * share))
    return labelled.take(order[held:].sort().values), labelled.take(order[:held].sort().values)


def few_shot(train: Labelled, test: Labelled, classes: int, metric: str, seeds: int) -> list[dict[str, Any]]:
    """Score probes on 1, 2, 4, 8 and 16 images a class, drawn anew for each seed.

    The strength is chosen on min(shots, 4) other images a class; the probe is fitted
    on the shots alone. Numbers of shots for which a class has not enough images are left out.

    Returns:
        one dict a number of shots: shots, `scores` of each seed, mean, deviation.

    Raises:
        UserError: a class has fewer than two images, or images have several labels.
    """
    if train.targets.ndim == 2:
        raise UserError("few-shot needs one class an image; leave data sets of several labels out")
    fewest = int(torch.bincount(train.targets, minlength=classes).min())
    curve = []
    for shots in SHOTS:
        validation_shots = min(shots, MOST_VALIDATION_SHOTS)
        if shots + validation_shots > fewest:
            break
        scores = []
        for seed in range(seeds):
            drawn = draw(train.targets, classes, shots + validation_shots, seed)
            fitted, chosen = train.take(drawn[:, :shots].flatten()), train.take(drawn[:, shots:].flatten())
            score = metric_of(metric)
            strength = choose_strength(fitted, chosen, classes, score)
            fit = Problem.of(fitted.features, fitted.targets, classes).fit(strength)
            scores.append(score(fit.logits(test.features), test.targets))
        spread = float(np.std(scores, ddof=1)) if seeds > 1 else 0.0
        curve.append({"shots": shots, "scores": scores, "mean": float(np.mean(scores)), "deviation": spread})
    if not curve:
        raise UserError(f"a class has {fewest} training images; few-shot needs at least 2 of each class")
    return curve


def draw(targets: torch.Tensor, classes: int, count: int, seed: int) -> torch.Tensor:
    """Draw images of each class without replacement: row numbers, int64, (classes, count).

    Fewer images are the first of more: 4 shots hold the 2 of the same seed.
    """
    order = np.random.default_rng(seed).permutation(len(targets))
    shuffled = targets.cpu().numpy()[order]
    rows = [order[np.flatnonzero(shuffled == label)[:count]] for label in range(classes)]
    return torch.from_numpy(np.stack(rows))
