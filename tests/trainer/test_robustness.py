import pytest

from trainer.robustness import fit_line, logit, shift_row
from wit_builder.storage import UserError


def test_a_model_on_the_line_is_not_more_robust() -> None:
    points = [(0.5, 0.3), (0.7, 0.5), (0.8, 0.63)]
    line = fit_line([points[0], points[2]])
    assert line.expected(0.5) == pytest.approx(0.3)
    assert shift_row(0.8, 0.63, line)["effective_robustness"] == pytest.approx(0)
    above = shift_row(0.7, 0.6, line)
    assert above["effective_robustness"] == pytest.approx(0.6 - line.expected(0.7))
    assert above["gap"] == pytest.approx(0.1)
    assert "effective_robustness" not in shift_row(0.7, 0.6)


def test_an_identical_test_set_has_the_line_of_equal_accuracies() -> None:
    line = fit_line([(0.2, 0.2), (0.9, 0.9), (1.0, 1.0)])
    assert line == pytest.approx((1, 0), abs=1e-9)
    assert logit(0) == pytest.approx(-logit(1))


def test_one_baseline_makes_no_line() -> None:
    with pytest.raises(UserError, match="1 baselines make no line"):
        fit_line([(0.5, 0.4)])
