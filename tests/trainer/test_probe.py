from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from trainer.logistic import Problem
from trainer.probe import STRENGTHS, Labelled, draw, few_shot, halving_search, linear_probe, split_off
from wit_builder.storage import UserError


@pytest.fixture(scope="module")
def digits() -> tuple[Labelled, Labelled]:
    """scikit-learn's 1,797 handwritten digits, two thirds to fit on."""
    torch.set_num_threads(1)
    features, labels = load_digits(return_X_y=True)
    all_digits = Labelled(torch.from_numpy(features / 4).float(), torch.from_numpy(labels))
    return all_digits.take(torch.arange(1200)), all_digits.take(torch.arange(1200, 1797))


def loss(features: torch.Tensor, labels: torch.Tensor, weights: Any, bias: Any, strength: float) -> float:
    weights, bias = torch.as_tensor(weights).double(), torch.as_tensor(bias).double()
    cross_entropy = torch.nn.functional.cross_entropy(features.double() @ weights + bias, labels)
    return float(cross_entropy + strength / 2 / len(labels) * weights.square().sum())


@pytest.mark.parametrize("strength", [0.1, 10, 1e4])
def test_the_fit_is_scikit_learns_optimum(digits: tuple[Labelled, Labelled], strength: float) -> None:
    train, test = digits
    with threadpool_limits(1):
        peer = LogisticRegression(C=1 / strength, tol=1e-6, max_iter=5000)
        peer.fit(train.features.double(), train.targets)
    fit = Problem.of(train.features, train.targets, 10).fit(strength)
    ours = (fit.logits(test.features).argmax(dim=1) == test.targets).double().mean().item()
    assert ours == pytest.approx(peer.score(test.features, test.targets), abs=0.002)
    expected = loss(train.features, train.targets, peer.coef_.T, peer.intercept_, strength)
    assert loss(train.features, train.targets, fit.weights, fit.bias, strength) < expected + 1e-4


def test_several_labels_are_questions_of_their_own(digits: tuple[Labelled, Labelled]) -> None:
    train, _ = digits
    targets = torch.stack([train.targets % 2, (train.targets > 4).long()], dim=1)
    fit = Problem.of(train.features, targets, 2).fit(100.0)
    for column in range(2):
        peer = LogisticRegression(C=0.01, tol=1e-6).fit(train.features.double(), targets[:, column])
        given = torch.sigmoid(fit.logits(train.features)[:, column]).numpy()
        assert np.abs(given - peer.predict_proba(train.features)[:, 1]).max() < 0.01


def test_a_start_changes_the_way_not_the_end(digits: tuple[Labelled, Labelled]) -> None:
    train, _ = digits
    problem = Problem.of(train.features + 100, train.targets, 10)  # far from the origin
    cold, warm = problem.fit(10.0), problem.fit(10.0, problem.fit(20.0))
    assert warm.iterations < cold.iterations
    ends = [loss(train.features + 100, train.targets, f.weights, f.bias, 10.0) for f in (cold, warm)]
    assert ends[0] == pytest.approx(ends[1], abs=2e-4)


def test_strengths_are_the_papers() -> None:
    assert len(STRENGTHS) == 96 + 1
    assert STRENGTHS[0] == pytest.approx(1e-6)
    assert STRENGTHS[-1] == pytest.approx(1e6)
    assert STRENGTHS[56] / STRENGTHS[48] == pytest.approx(10)


@pytest.mark.parametrize("peak", [0, 1, 37, 48, 95, 96])
def test_halving_finds_a_single_peak_in_few_looks(peak: int) -> None:
    looks: list[int] = []

    def score(place: int) -> float:
        looks.append(place)
        return -abs(place - peak)

    assert halving_search(score) == peak
    assert len(looks) == len(set(looks)) <= 7 + 2 * 4
    assert set(looks) >= {0, 16, 32, 48, 64, 80, 96}


def test_halving_takes_the_strongest_of_equals() -> None:
    assert halving_search(lambda _: 0.5) == 96


def test_the_probe_beats_a_wrong_strength(digits: tuple[Labelled, Labelled]) -> None:
    train, test = digits
    rest, held = split_off(train, seed=0)
    assert (len(rest.targets), len(held.targets)) == (960, 240)
    found = linear_probe(rest, held, test, 10, "acc1")
    accuracy = (found["logits"].argmax(dim=1) == test.targets).double().mean().item()
    assert found["strength"] in STRENGTHS
    assert accuracy > 0.9
    weak = Problem.of(train.features, train.targets, 10).fit(1e6)
    assert accuracy > (weak.logits(test.features).argmax(dim=1) == test.targets).double().mean().item()


def test_few_shots_help_more_as_they_grow(digits: tuple[Labelled, Labelled]) -> None:
    train, test = digits
    curve = few_shot(train, test, 10, "acc1", seeds=2)
    assert [point["shots"] for point in curve] == [1, 2, 4, 8, 16]
    assert curve[-1]["mean"] > 0.8 > curve[0]["mean"] > 0.2
    assert all(len(point["scores"]) == 2 and point["deviation"] >= 0 for point in curve)
    assert curve == few_shot(train, test, 10, "acc1", seeds=2)
    few = train.take(torch.cat([torch.nonzero(train.targets == c)[:5, 0] for c in range(10)]))
    assert [point["shots"] for point in few_shot(few, test, 10, "acc1", seeds=1)] == [1, 2]


def test_draws_are_nested_and_of_the_right_classes() -> None:
    targets = torch.tensor([0, 1, 2] * 20)
    few, many = draw(targets, 3, 2, seed=1), draw(targets, 3, 8, seed=1)
    assert torch.equal(few, many[:, :2])
    assert torch.equal(targets[many], torch.arange(3)[:, None].expand(3, 8))
    assert len(set(many.flatten().tolist())) == 24
    assert not torch.equal(many, draw(targets, 3, 8, seed=2))


def test_few_shot_says_what_it_lacks() -> None:
    lonely = Labelled(torch.randn(3, 4), torch.tensor([0, 1, 1]))
    with pytest.raises(UserError, match="a class has 1 training images; few-shot needs at least 2"):
        few_shot(lonely, lonely, 2, "acc1", seeds=1)
    with pytest.raises(UserError, match="needs one class an image"):
        few_shot(Labelled(torch.randn(3, 4), torch.ones(3, 2)), lonely, 2, "acc1", seeds=1)
