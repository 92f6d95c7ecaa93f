import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.metrics import roc_auc_score

from trainer.metrics import (
    classification_metrics,
    clopper_pearson,
    mean_average_precision_11,
    mean_per_class_recall,
    metric_of,
    roc_auc,
)
from wit_builder.storage import UserError


@pytest.mark.parametrize("seed", range(5))
def test_accuracies_against_sorting_one_by_one(seed: int) -> None:
    generator = np.random.default_rng(seed)
    logits, labels = generator.normal(size=(60, 8)), generator.integers(0, 7, 60)
    order = np.argsort(-logits, axis=1)
    expected = {
        "acc1": (order[:, 0] == labels).mean(),
        "acc5": np.mean([label in row[:5] for label, row in zip(labels, order, strict=True)]),
        "mean_per_class_recall": np.mean([(order[labels == c, 0] == c).mean() for c in set(labels)]),
    }
    found = classification_metrics(torch.from_numpy(logits), torch.from_numpy(labels), "acc1")
    assert found == pytest.approx(expected)


def test_a_constant_model_is_never_right() -> None:
    metrics = classification_metrics(torch.zeros(4, 6), torch.tensor([0, 1, 2, 3]), "mean_per_class_recall")
    assert metrics == {"acc1": 0, "acc5": 0, "mean_per_class_recall": 0}


def test_mean_per_class_weighs_rare_classes_alike() -> None:
    logits = torch.tensor([[1.0, 0.0]] * 10)
    assert mean_per_class_recall(logits, torch.tensor([0] * 9 + [1])) == 0.5


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=30),
)
def test_eleven_points_against_the_definition(rows: list[tuple[int, bool]]) -> None:
    rows = [*rows, (3, True)]
    scores = torch.tensor([[float(score) + 0.001 * -place] for place, (score, _) in enumerate(rows)])
    relevant = torch.tensor([[int(right)] for _, right in rows])
    ranked = [bool(relevant[place]) for place in torch.argsort(-scores[:, 0])]
    points = [(sum(ranked[:k]) / k, sum(ranked[:k]) / sum(ranked)) for k in range(1, len(ranked) + 1)]
    expected = np.mean(
        [max(precision for precision, recall in points if recall >= level / 10 - 1e-9) for level in range(11)]
    )
    assert mean_average_precision_11(scores, relevant) == pytest.approx(expected)


def test_a_class_that_does_not_occur_is_left_out() -> None:
    logits = torch.tensor([[2.0, 9.0], [1.0, 9.0]])
    assert mean_average_precision_11(logits, torch.tensor([[1, 0], [0, 0]])) == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1)), min_size=1, max_size=30))
def test_roc_auc_is_scikit_learns(rows: list[tuple[int, int]]) -> None:
    scores, labels = (list(values) for values in zip(*rows, (2, 0), (2, 1), strict=True))
    logits = torch.stack([torch.zeros(len(scores)), torch.tensor(scores).float()], dim=1)
    assert roc_auc(logits, torch.tensor(labels)) == pytest.approx(roc_auc_score(labels, scores))


def test_roc_auc_needs_two_classes() -> None:
    with pytest.raises(UserError, match="two classes, not of 3"):
        roc_auc(torch.zeros(2, 3), torch.tensor([0, 1]))
    with pytest.raises(UserError, match="metric 'f1' is unknown; use one of acc1"):
        metric_of("f1")


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.data())
def test_clopper_pearson_ends_where_the_tails_are_half(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = clopper_pearson(successes, trials, 0.995)
    assert low <= successes / trials <= high
    assert binom.sf(successes - 1, trials, low) == pytest.approx(0.0025 if successes else 1)
    assert binom.cdf(successes, trials, high) == pytest.approx(0.0025 if successes < trials else 1)
    assert clopper_pearson(0, 0, 0.995) == (0, 1)
