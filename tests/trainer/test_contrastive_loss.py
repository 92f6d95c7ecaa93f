import math

import numpy as np
import numpy.typing as npt
import torch
from open_clip import ClipLoss

from tests.trainer.samples import unit_rows
from trainer.optimizer import build_optimizer, clip_logit_scale, learning_rate
from trainer.presets import load_preset


def cross_entropy(logits: npt.NDArray[np.float64]) -> float:
    """Mean over rows of -log softmax at the diagonal."""
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return float(-np.log(np.diag(shares)).mean())


def test_loss_is_that_of_the_paper() -> None:
    # Radford et al. 2021, figure 3: logits = dot(I_e, T_e.T) * exp(t); mean of both cross-entropies
    images, texts, t = unit_rows(7, 5, 0), unit_rows(7, 5, 1), math.log(1 / 0.07)
    logits = images @ texts.T * math.exp(t)
    expected = (cross_entropy(logits) + cross_entropy(logits.T)) / 2
    features = torch.from_numpy(images), torch.from_numpy(texts)
    loss = ClipLoss(local_loss=True, gather_with_grad=True, cache_labels=True)
    assert abs(loss(*features, math.exp(t)).item() - expected) < 1e-12


def test_learning_rate_warms_up_then_falls_to_zero() -> None:
    preset = load_preset("ViT-B-32")
    rates = [learning_rate(step, 10_000, preset) for step in range(10_000)]
    assert rates[0] == preset.learning_rate / 2000
    assert rates[1999] == rates[2000] == max(rates) == preset.learning_rate
    assert rates[6000] == preset.learning_rate / 2
    assert 0 < rates[-1] < 1e-10
    assert learning_rate(9, 10, preset) == preset.learning_rate


def test_no_decay_on_gains_biases_and_logit_scale() -> None:
    class Scaled(torch.nn.Linear):
        def __init__(self) -> None:
            super().__init__(3, 2)
            self.logit_scale = torch.nn.Parameter(torch.tensor(2.0))

    model = Scaled()
    free, decayed = build_optimizer(model, load_preset("demo")).param_groups
    assert {id(p) for p in free["params"]} == {id(model.bias), id(model.logit_scale)}
    assert [id(p) for p in decayed["params"]] == [id(model.weight)]
    assert free["weight_decay"] == 0
    assert decayed["weight_decay"] == load_preset("demo").weight_decay


def test_logit_scale_is_clipped_at_100() -> None:
    scales = torch.tensor([9.0, 2.0, -1.0])
    clip_logit_scale(scales)
    assert torch.allclose(scales.exp(), torch.tensor([100.0, math.exp(2), math.exp(-1)]))
