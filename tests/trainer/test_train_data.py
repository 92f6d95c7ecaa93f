import io
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.trainer.samples import jpeg, write_shards
from trainer.data import Batch, Schedule, StepSampler, TrainSamples, random_square, train_loader
from trainer.models import build_tokenizer
from trainer.shard_index import index_shards
from wit_builder.storage import UserError

SCHEDULE = Schedule(samples=11, batch_size=4, seed=3)
TEXT = {"text_cfg": {"context_length": 16}}


def samples_of(folder: str) -> TrainSamples:
    return TrainSamples(
        index=index_shards(folder, "txt"),
        tokenizer=build_tokenizer(TEXT),
        image_size=16,
        crop_scale=0.5,
        seed=3,
    )


def numbers(steps: range) -> list[list[int]]:
    return [[number for _, number in batch] for batch in StepSampler(SCHEDULE, steps)]


def test_an_epoch_has_no_sample_twice_and_leaves_out_the_tail() -> None:
    first, second = (list(chain(*numbers(steps))) for steps in (range(0, 2), range(2, 4)))
    assert len(set(first)) == len(set(second)) == 8
    assert first != second
    assert sorted(SCHEDULE.epoch_order(0)) == list(range(11))


def test_any_step_can_be_the_first() -> None:
    everything = list(StepSampler(SCHEDULE, range(0, 7)))
    assert list(StepSampler(SCHEDULE, range(3, 7))) == everything[3:]


def test_ranks_split_each_batch_in_order() -> None:
    ranks = [list(StepSampler(SCHEDULE, range(5), rank, 2)) for rank in range(2)]
    assert [a + b for a, b in zip(*ranks, strict=True)] == list(StepSampler(SCHEDULE, range(5)))


def test_batch_that_cannot_be_split() -> None:
    with pytest.raises(UserError, match="batch_size 4 cannot be split over 3 processes; give a mult"):
        StepSampler(SCHEDULE, range(1), 0, 3)


def test_batch_above_the_data() -> None:
    with pytest.raises(UserError, match="batch_size 12 is above the 11 samples"):
        Schedule(samples=11, batch_size=12, seed=0)


def test_batches_do_not_depend_on_the_worker_count(tmp_path: Path) -> None:
    samples = samples_of(write_shards(tmp_path, (8, 3)))
    alone, helped = (list(train_loader(samples, StepSampler(SCHEDULE, range(4)), n)) for n in (0, 2))
    for one, other in zip(alone, helped, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.texts, other.texts)


def test_crop_differs_by_epoch(tmp_path: Path) -> None:
    samples = samples_of(write_shards(tmp_path, (1,)))
    assert torch.equal(samples[0, 0][0], samples[0, 0][0])
    assert not torch.equal(samples[0, 0][0], samples[1, 0][0])


def test_broken_sample_is_replaced_by_the_next_and_named(tmp_path: Path) -> None:
    samples = samples_of(write_shards(tmp_path, (4, 7), broken=frozenset({3, 4, 10})))
    assert samples[0, 3][2] == ("00000.tar:000000003", "00001.tar:000010000")
    assert torch.equal(samples[0, 3][1], samples[0, 5][1])
    assert torch.equal(samples[0, 10][1], samples[0, 0][1])
    batch: Batch = next(iter(train_loader(samples, StepSampler(SCHEDULE, range(1)), 0)))
    assert batch.images.shape == (4, 3, 16, 16)
    assert batch.images.dtype == torch.uint8
    assert batch.texts.shape == (4, 16)


def test_nothing_readable(tmp_path: Path) -> None:
    samples = samples_of(write_shards(tmp_path, (2,), broken=frozenset({0, 1})))
    with pytest.raises(UserError, match=r"100 samples from 00000\.tar:000000001 on are unreadable"):
        samples[0, 1]


def test_crop_of_scale_1_is_the_whole_square_image() -> None:
    resized = Image.open(io.BytesIO(jpeg(2, 40, 40))).resize((32, 32), Image.Resampling.BICUBIC)
    square = random_square(jpeg(2, 40, 40), 32, 1.0, np.random.default_rng(0))
    assert np.array_equal(square.permute(1, 2, 0).numpy(), np.asarray(resized))


def test_crop_lies_inside_the_image() -> None:
    image = Image.new("RGB", (90, 30), "white")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    for seed in range(20):
        assert random_square(buffer.getvalue(), 16, 0.3, np.random.default_rng(seed)).min() == 255
