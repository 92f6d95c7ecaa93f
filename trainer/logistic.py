"""L2-regularised logistic regression to its optimum, by L-BFGS on principal axes.

The loss is scikit-learn's with C = 1 / strength, divided by n:
mean cross-entropy + strength / (2 n) · |W|², the bias left free.

Three things make it quick. The features are centred and turned to their principal
axes once; there the Hessian is nearly diagonal, curvature · variance + strength / n,
whose inverse is the L-BFGS's first guess. Logits are linear in the weights, so a
search along a line needs no further product with the features. And a fit may start
from the weights of a near strength.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch.nn import functional

MEMORY = 20
MOST_ITERATIONS = 1000  # CLIP's limit (Radford et al. 2021, A.3)
TOLERANCE = 1e-6
"""Nats by which the mean loss lies above the optimum by the quadratic model; in truth a few times that."""

_FLATTER = 0.5  # a step is accepted when the slope along it has fallen to this share
_MOST_TRIES = 20


class Fit(NamedTuple):
    """A fitted classifier.

    Attributes:
        weights: float32, (d, classes).
        bias: float32, (classes).
        iterations: of L-BFGS.
    """

    weights: torch.Tensor
    bias: torch.Tensor
    iterations: int

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """Score n rows of features: float32, (n, classes)."""
        return features @ self.weights + self.bias


@dataclass(frozen=True)
class Problem:
    """Features on their principal axes, and their targets.

    Attributes:
        axes: float32, (n, d + 1): centred features turned, and a column of ones.
        rotation: float32, (d, d).
        mean: float32, (d).
        variances: float32, (d + 1): of each axis; 1 for the ones.
        targets: float32, (n, classes): one-hot rows, or 0 and 1 of several labels.
        several_labels: each class is a question of its own (logistic), not one of all (softmax).
    """

    axes: torch.Tensor
    rotation: torch.Tensor
    mean: torch.Tensor
    variances: torch.Tensor
    targets: torch.Tensor
    several_labels: bool

    @classmethod
    def of(cls, features: torch.Tensor, targets: torch.Tensor, classes: int) -> "Problem":
        """Prepare a fit; worth keeping for many strengths.

        Args:
            features: float32, (n, d).
            targets: int64 classes, (n); or 0 and 1 of any kind, (n, classes), for several labels.
            classes: number of classes.
        """
        mean = features.mean(dim=0)
        centred = features - mean
        covariance = (centred.T @ centred / len(features)).double()
        variances, rotation = torch.linalg.eigh(covariance)
        rotation = rotation.float()
        ones = torch.ones_like(features[:, :1])
        several = targets.ndim == 2
        return cls(
            axes=torch.cat([centred @ rotation, ones], dim=1),
            rotation=rotation,
            mean=mean,
            variances=torch.cat([variances.float().clamp(min=0), ones[0]]),
            targets=targets.float() if several else functional.one_hot(targets, classes).float(),
            several_labels=several,
        )

    def residuals(self, logits: torch.Tensor) -> torch.Tensor:
        """Give the loss's gradient by the logits, times n: float32, (n, classes)."""
        given = torch.sigmoid(logits) if self.several_labels else torch.softmax(logits, dim=1)
        return given.sub_(self.targets)

    def fit(self, strength: float, start: Fit | None = None) -> Fit:
        """Find the optimum.

        Args:
            strength: of the L2 penalty, scikit-learn's 1 / C.
            start: another strength's fit to begin with.
        """
        weights = (
            self._turn(start) if start else self.axes.new_zeros(self.axes.shape[1], self.targets.shape[1])
        )
        penalty = torch.full_like(self.variances, strength / len(self.axes))
        penalty[-1] = 0
        return _minimise(self, weights, penalty[:, None])

    def _turn(self, fit: Fit) -> torch.Tensor:
        bias = fit.bias + self.mean @ fit.weights
        return torch.cat([self.rotation.T @ fit.weights, bias[None]])

    def turn_back(self, weights: torch.Tensor, iterations: int) -> Fit:
        """Make a fit of weights on the axes: float32, (d + 1, classes)."""
        turned = self.rotation @ weights[:-1]
        return Fit(turned, weights[-1] - self.mean @ turned, iterations)


def _minimise(problem: Problem, weights: torch.Tensor, penalty: torch.Tensor) -> Fit:
    rows = len(problem.axes)
    logits = problem.axes @ weights
    history: list[tuple[torch.Tensor, torch.Tensor]] = []
    residuals = problem.residuals(logits)
    gradient = problem.axes.T @ residuals / rows + penalty * weights
    for iteration in range(MOST_ITERATIONS):
        inverse = _inverse_hessian(problem, residuals, penalty)
        direction = -_two_loops(gradient, history, inverse)
        slope = (gradient * direction).sum()
        if -slope / 2 <= TOLERANCE:
            return problem.turn_back(weights, iteration)
        step, residuals, logits = _along(problem, weights, direction, logits, penalty, float(slope))
        weights = weights + step * direction
        before, gradient = gradient, problem.axes.T @ residuals / rows + penalty * weights
        history = [*history[1 - MEMORY :], (step * direction, gradient - before)]
    return problem.turn_back(weights, MOST_ITERATIONS)


def _inverse_hessian(problem: Problem, residuals: torch.Tensor, penalty: torch.Tensor) -> torch.Tensor:
    """Guess the Hessian's inverse, diagonal on the axes: float32, (d + 1, classes).

    The curvature of a class is the mean of p (1 - p).
    """
    given = residuals + problem.targets
    curvature = (given - given.square()).mean(dim=0).clamp(min=1e-8)
    return 1 / (problem.variances[:, None] * curvature + penalty)


def _two_loops(
    gradient: torch.Tensor, history: list[tuple[torch.Tensor, torch.Tensor]], inverse: torch.Tensor
) -> torch.Tensor:
    """Multiply the gradient by L-BFGS's inverse Hessian (Nocedal and Wright, algorithm 7.4)."""
    result, used = gradient, []
    if history:  # their (7.20), for a diagonal that is no multiple of one
        moved, change = history[-1]
        inverse = inverse * (moved * change).sum() / (inverse * change.square()).sum()
    for moved, change in reversed(history):
        share = 1 / (moved * change).sum()
        along = share * (moved * result).sum()
        result = result - along * change
        used.append((moved, change, share, along))
    result = inverse * result
    for moved, change, share, along in reversed(used):
        result = result + (along - share * (change * result).sum()) * moved
    return result


def _along(
    problem: Problem,
    weights: torch.Tensor,
    direction: torch.Tensor,
    logits: torch.Tensor,
    penalty: torch.Tensor,
    slope: float,
) -> tuple[float, torch.Tensor, torch.Tensor]:
    """Go along a direction until it is nearly flat: the step, the residuals and logits there."""
    rows = len(logits)
    change = problem.axes @ direction
    linear = float((penalty * weights * direction).sum())
    square = float((penalty * direction.square()).sum())
    low, high, low_slope, high_slope = 0.0, float("inf"), slope, 0.0
    step = 1.0
    for _ in range(_MOST_TRIES):
        there = torch.add(logits, change, alpha=step)
        residuals = problem.residuals(there)
        found = float((residuals * change).sum()) / rows + linear + step * square
        if abs(found) <= _FLATTER * abs(slope):
            break
        if found < 0:
            low, low_slope = step, found
        else:
            high, high_slope = step, found
        if high == float("inf"):
            step *= 2
        else:
            secant = low + (high - low) * low_slope / (low_slope - high_slope)
            step = min(max(secant, low + 0.1 * (high - low)), high - 0.1 * (high - low))
    return step, residuals, there
