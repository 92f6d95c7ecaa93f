"""Linear probes fitted per second: ours against scikit-learn, one thread each, on made features.

50,000 × 512 features of 100 classes with a power-law spectrum, as an encoder's. Both
minimise the same loss from zero; the table's title tells where each ended and how it
scores on 10,000 other rows. scikit-learn stops by its ordinary tolerance, which leaves
it further from the optimum; `--tolerance` changes that.
"""

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from tests.bench.table import Row, compare, report
from trainer.logistic import Problem

ROWS, TEST_ROWS, WIDTH, CLASSES = 50_000, 10_000, 512, 100
STRENGTHS = (3.16, 100.0)


def main() -> None:
    """Fit both at two strengths."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tolerance", type=float, default=1e-4)
    tolerance = parser.parse_known_args()[0].tolerance
    torch.set_num_threads(1)
    features, labels = made_features(ROWS + TEST_ROWS)
    rows, ends = [], []
    with threadpool_limits(1):
        for strength in STRENGTHS:
            row, end = fit_both(features, labels, strength, tolerance)
            rows.append(row)
            ends.append(end)
    report("; ".join(ends), rows)


def made_features(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Make noisy classes: float32 (rows, 512) and int64 (rows)."""
    generator = np.random.default_rng(0)
    spectrum = np.arange(1, WIDTH + 1) ** -0.7
    rotation = np.linalg.qr(generator.normal(size=(WIDTH, WIDTH)))[0]
    centres = generator.normal(size=(CLASSES, WIDTH)) * spectrum
    labels = generator.integers(0, CLASSES, rows)
    noise = 6 * generator.normal(size=(rows, WIDTH)) * spectrum
    features = (3 * (centres[labels] + noise) @ rotation + 0.5).astype(np.float32)
    return torch.from_numpy(features), torch.from_numpy(labels)


def fit_both(
    features: torch.Tensor, labels: torch.Tensor, strength: float, tolerance: float
) -> tuple[Row, str]:
    """Fit by both and tell where they ended."""
    train, test = slice(ROWS), slice(ROWS, None)
    started = time.perf_counter()
    fit = Problem.of(features[train], labels[train], CLASSES).fit(strength)
    ours = time.perf_counter() - started
    started = time.perf_counter()
    peer = LogisticRegression(C=1 / strength, max_iter=1000, tol=tolerance)
    peer.fit(features[train].numpy(), labels[train].numpy())
    theirs = time.perf_counter() - started
    weights, bias = torch.from_numpy(peer.coef_.T), torch.from_numpy(peer.intercept_)
    accuracies = [
        float(((features[test] @ w + b).argmax(dim=1) == labels[test]).double().mean())
        for w, b in ((fit.weights, fit.bias), (weights, bias))
    ]
    losses = [
        float(
            torch.nn.functional.cross_entropy(
                features[train].double() @ w.double() + b.double(), labels[train]
            )
            + strength / 2 / ROWS * w.double().square().sum()
        )
        for w, b in ((fit.weights, fit.bias), (weights, bias))
    ]
    end = (
        f"strength {strength}: loss {losses[0]:.5f} and {losses[1]:.5f}, "
        f"accuracy {accuracies[0]:.4f} and {accuracies[1]:.4f}"
    )
    return compare(f"fit, strength {strength}", "fits/hour", 3600 / ours, 3600 / theirs, "scikit-learn"), end


if __name__ == "__main__":
    main()
