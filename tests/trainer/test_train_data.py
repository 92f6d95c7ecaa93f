from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainer.samples import write_shards
from trainer.data import Batch, TrainBatches, shortened, train_batches
from trainer.models import build_tokenizer
from trainer.order import Schedule, StepSampler
from trainer.shard_index import index_shards
from wit_builder.storage import UserError

SCHEDULE = Schedule(samples=11, batch_size=4, seed=3)
TEXT = {"text_cfg": {"context_length": 16}}


def batches_of(folder: str) -> TrainBatches:
    return TrainBatches(
        index=index_shards(folder, "txt"),
        tokenizer=build_tokenizer(TEXT),
        image_size=16,
        crop="square",
        crop_scale=0.5,
        seed=3,
    )


def test_batches_do_not_depend_on_the_worker_count(tmp_path: Path) -> None:
    samples = batches_of(write_shards(tmp_path, (8, 3)))
    alone, helped = (list(train_batches(samples, StepSampler(SCHEDULE, range(4)), n)) for n in (0, 2))
    for one, other in zip(alone, helped, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.texts, other.texts)


def test_crop_differs_by_epoch(tmp_path: Path) -> None:
    batches = batches_of(write_shards(tmp_path, (1,)))
    assert np.array_equal(batches.sample(0, 0)[0], batches.sample(0, 0)[0])
    assert not np.array_equal(batches.sample(0, 0)[0], batches.sample(1, 0)[0])


def test_broken_sample_is_replaced_by_the_next_and_named(tmp_path: Path) -> None:
    batches = batches_of(write_shards(tmp_path, (4, 7), broken=frozenset({3, 4, 10})))
    assert batches.sample(0, 3)[2] == ["00000.tar:000000003", "00001.tar:000010000"]
    assert torch.equal(batches.sample(0, 3)[1], batches.sample(0, 5)[1])
    assert torch.equal(batches.sample(0, 10)[1], batches.sample(0, 0)[1])
    batch: Batch = next(train_batches(batches, StepSampler(SCHEDULE, range(1)), 0))
    assert batch.images.shape == (4, 16, 16, 3)
    assert batch.images.dtype == torch.uint8
    assert batch.texts.shape == (4, 16)


@pytest.mark.parametrize("workers", [0, 2])
def test_nothing_readable_is_one_line_also_out_of_a_worker(tmp_path: Path, workers: int) -> None:
    batches = batches_of(write_shards(tmp_path, (2,), broken=frozenset({0, 1})))
    sampler = StepSampler(Schedule(samples=2, batch_size=1, seed=0), range(1))
    with pytest.raises(UserError) as caught:
        list(train_batches(batches, sampler, workers))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("100 samples from 00000.tar:")


def test_shard_that_vanishes_is_named_by_a_worker(tmp_path: Path) -> None:
    batches = batches_of(write_shards(tmp_path, (11,)))
    (tmp_path / "00000.tar").unlink()
    with pytest.raises(UserError, match=r"00000\.tar"):
        list(train_batches(batches, StepSampler(SCHEDULE, range(1)), 1))


def test_texts_lose_the_padding_they_share() -> None:
    texts = torch.zeros(2, 77, dtype=torch.int64)
    texts[0, :5] = texts[1, :9] = 7
    assert shortened(texts).shape == (2, 16)
    texts[0, 70] = 1
    assert torch.equal(shortened(texts), texts[:, :72])
    texts[0, 76] = 1
    assert torch.equal(shortened(texts), texts)
