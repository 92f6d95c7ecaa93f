"""Accuracy under natural shifts against accuracy in distribution (Taori et al. 2020; CLIP, 3.3)."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from wit_builder.storage import UserError

_LEAST, _MOST = 1e-4, 1 - 1e-4  # a logit is finite between them


class Line(NamedTuple):
    """What a shift costs models as a rule: a line through the logits of their accuracies."""

    slope: float
    intercept: float

    def expected(self, accuracy: float) -> float:
        """Give the accuracy under shift that goes with one in distribution."""
        return 1 / (1 + math.exp(-(self.slope * logit(accuracy) + self.intercept)))


def logit(share: float) -> float:
    """Give log(p / (1 - p)), kept off 0 and 1."""
    kept = min(max(share, _LEAST), _MOST)
    return math.log(kept / (1 - kept))


def fit_line(points: Sequence[tuple[float, float]]) -> Line:
    """Fit the rule to models that were not made robust on purpose.

    Args:
        points: (in distribution, under shift) accuracies, from 0 to 1, of at least two models.

    Raises:
        UserError: fewer than two different models.
    """
    if len({point[0] for point in points}) < 2:
        raise UserError(f"{len(points)} baselines make no line; give runs of two or more different models")
    slope, intercept = np.polyfit([logit(x) for x, _ in points], [logit(y) for _, y in points], 1)
    return Line(float(slope), float(intercept))


def shift_row(in_distribution: float, shifted: float, line: Line | None = None) -> dict[str, Any]:
    """Describe a model under a shift.

    Returns:
        both accuracies, `gap` (in distribution - shifted) and, with a line,
        `effective_robustness`: how far the model is above what the rule expects.
    """
    row = {"in_distribution": in_distribution, "shifted": shifted, "gap": in_distribution - shifted}
    if line is not None:
        row["effective_robustness"] = shifted - line.expected(in_distribution)
    return row
