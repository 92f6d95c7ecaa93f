import numpy as np
import pytest
import torch

from tests.trainer.samples import unit_rows
from trainer.zeroshot import class_features, zeroshot_chance, zeroshot_metrics


def test_class_features_are_normalised_means_over_templates() -> None:
    prompts = ["cat", "a cat", "dog", "a dog", "red fox", "a red fox"]
    features = unit_rows(6, 4, 0)

    def encode(texts: list[str]) -> torch.Tensor:
        return torch.from_numpy(features[[prompts.index(text) for text in texts]])

    means = (features[0::2] + features[1::2]) / 2
    expected = means / np.linalg.norm(means, axis=1, keepdims=True)
    found = class_features(encode, ["cat", "dog", "red fox"], ["{c}", "a {c}"])
    assert np.allclose(found.numpy(), expected)


@pytest.mark.parametrize("seed", range(5))
def test_metrics_against_sorting_one_by_one(seed: int) -> None:
    generator = np.random.default_rng(seed)
    logits, labels = generator.normal(size=(60, 8)), generator.integers(0, 7, 60)
    order = np.argsort(-logits, axis=1)
    right = order[:, 0] == labels
    expected = {
        "acc1": right.mean(),
        "acc5": np.mean([label in row[:5] for label, row in zip(labels, order, strict=True)]),
        "mean_per_class_recall": np.mean([right[labels == label].mean() for label in set(labels)]),
    }
    assert zeroshot_metrics(torch.from_numpy(logits), torch.from_numpy(labels)) == pytest.approx(expected)


def test_a_constant_model_is_never_right() -> None:
    metrics = zeroshot_metrics(torch.zeros(4, 6), torch.tensor([0, 1, 2, 3]))
    assert metrics == {"acc1": 0, "acc5": 0, "mean_per_class_recall": 0}


def test_chance() -> None:
    labels = torch.tensor([0, 0, 0, 2])
    assert zeroshot_chance(labels, 4) == {
        "acc1": 0.25, "mean_per_class_recall": 0.25, "majority_class_share": 0.75
    }  # fmt: skip
    assert zeroshot_chance(labels, 10)["acc5"] == 0.5
