from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.order import Schedule, StepSampler, permute
from wit_builder.storage import UserError

SCHEDULE = Schedule(samples=11, batch_size=4, seed=3)


def numbers(steps: range) -> list[list[int]]:
    return [batch for _, batch in StepSampler(SCHEDULE, steps)]


@given(st.integers(1, 3000), st.integers(0, 2**64 - 1))
def test_permute_is_a_permutation_and_each_place_can_be_asked_alone(size: int, seed: int) -> None:
    places = np.arange(size, dtype=np.uint64)
    permuted = permute(places, size, seed)
    assert sorted(permuted.tolist()) == list(range(size))
    assert permute(places[size // 2 :], size, seed).tolist() == permuted[size // 2 :].tolist()


def test_permute_scatters_neighbours() -> None:
    permuted = permute(np.arange(10_000, dtype=np.uint64), 10_000, 1).astype(np.int64)
    assert abs(np.corrcoef(permuted[:-1], permuted[1:])[0, 1]) < 0.05
    assert abs(np.corrcoef(np.arange(10_000), permuted)[0, 1]) < 0.05


def test_an_epoch_has_no_sample_twice_and_leaves_out_the_tail() -> None:
    first, second = (list(chain(*numbers(steps))) for steps in (range(0, 2), range(2, 4)))
    assert len(set(first)) == len(set(second)) == 8
    assert first != second


def test_any_step_can_be_the_first() -> None:
    everything = list(StepSampler(SCHEDULE, range(0, 7)))
    assert list(StepSampler(SCHEDULE, range(3, 7))) == everything[3:]


def test_ranks_split_each_batch_in_order() -> None:
    ranks = [list(StepSampler(SCHEDULE, range(5), rank, 2)) for rank in range(2)]
    joined = [(epoch, a + b) for (epoch, a), (_, b) in zip(*ranks, strict=True)]
    assert joined == list(StepSampler(SCHEDULE, range(5)))


def test_batch_that_cannot_be_split() -> None:
    with pytest.raises(UserError, match="batch_size 4 cannot be split over 3 processes; give a mult"):
        StepSampler(SCHEDULE, range(1), 0, 3)


def test_batch_above_the_data() -> None:
    with pytest.raises(UserError, match="batch_size 12 is above the 11 samples"):
        Schedule(samples=11, batch_size=12, seed=0)


@given(
    st.lists(st.floats(0, 1).map(lambda weight: round(weight, 3)), min_size=1, max_size=60).filter(any),
    st.integers(0, 99),
)
def test_weighted_samples_come_as_often_as_their_weight_says(weights: list[float], epoch: int) -> None:
    size = len(weights)
    schedule = Schedule(samples=size, batch_size=1, seed=5, weights=np.array(weights))
    drawn = np.bincount(schedule.take(epoch, 0, size), minlength=size)
    expected = size * np.array(weights) / sum(weights)
    assert (np.abs(drawn - expected) < 1 + 1e-6).all()


def test_weights_all_alike_are_a_permutation() -> None:
    weighted = Schedule(samples=50, batch_size=1, seed=5, weights=np.full(50, 0.25))
    assert sorted(weighted.take(3, 0, 50).tolist()) == list(range(50))


def test_over_epochs_a_rare_sample_is_not_forgotten() -> None:
    schedule = Schedule(samples=10, batch_size=1, seed=5, weights=np.array([0.01] + [1.0] * 9))
    counts = np.bincount(np.concatenate([schedule.take(epoch, 0, 10) for epoch in range(2000)]), minlength=10)
    assert 10 <= counts[0] <= 40  # 22 expected
