import numpy as np
import torch

from tests.trainer.samples import unit_rows
from trainer.zeroshot import class_features, zeroshot_chance


def test_class_features_are_normalised_means_over_templates() -> None:
    prompts = ["cat", "a cat", "dog", "a dog", "red fox", "a red fox"]
    features = unit_rows(6, 4, 0)

    def encode(texts: list[str]) -> torch.Tensor:
        return torch.from_numpy(features[[prompts.index(text) for text in texts]])

    means = (features[0::2] + features[1::2]) / 2
    expected = means / np.linalg.norm(means, axis=1, keepdims=True)
    found = class_features(encode, ["cat", "dog", "red fox"], ["{c}", "a {c}"])
    assert np.allclose(found.numpy(), expected)


def test_chance() -> None:
    labels = torch.tensor([0, 0, 0, 2])
    assert zeroshot_chance(labels, 4) == {
        "acc1": 0.25, "mean_per_class_recall": 0.25, "majority_class_share": 0.75
    }  # fmt: skip
    assert zeroshot_chance(labels, 10)["acc5"] == 0.5
