"""Training batches: a seeded order over the shards, CLIP's random square crop, exact resume.

Everything that a batch holds is a function of (seed, step): the order of an
epoch is a seeded permutation of all samples, a crop is seeded by (seed, epoch,
sample). So neither the number of workers nor a restart changes a training.

The tail: an epoch has `samples // batch_size` full batches; the rest of its
permutation is left out, other samples each epoch.

A broken sample is replaced by the next readable one and reported, so batches
keep their size and processes stay in step.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Sampler

from trainer.shard_index import ShardIndex
from wit_builder.storage import UserError

UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # what PIL raises
LONGEST_BROKEN_RUN = 100


class Batch(NamedTuple):
    """One process's share of a step.

    Attributes:
        images: uint8, (n, 3, side, side).
        texts: int64 tokens, (n, context_length).
        skipped: names of broken samples that were replaced.
    """

    images: torch.Tensor
    texts: torch.Tensor
    skipped: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Which samples each step takes.

    Attributes:
        samples: size of the data set.
        batch_size: samples a step, over all processes.
        seed: of the permutations.
    """

    samples: int
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        if self.samples < self.batch_size:
            raise UserError(
                f"batch_size {self.batch_size} is above the {self.samples} samples of the shards; "
                f"give a batch_size of at most {self.samples}"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Give the number of full batches in an epoch."""
        return self.samples // self.batch_size

    def epoch_order(self, epoch: int) -> npt.NDArray[np.uint32]:
        """Permute all sample numbers: uint32 array of shape (samples,)."""
        return np.random.default_rng([self.seed, epoch]).permutation(np.arange(self.samples, dtype=np.uint32))


class StepSampler(Sampler[list[tuple[int, int]]]):
    """Yield, for each step, this process's (epoch, sample number) pairs."""

    def __init__(self, schedule: Schedule, steps: range, rank: int = 0, world_size: int = 1) -> None:
        """Take the steps of a training still to do.

        Args:
            schedule: the order of all samples.
            steps: the steps to yield, counted from the start of training.
            rank: this process; it takes the rank-th slice of each batch.
            world_size: number of processes.

        Raises:
            UserError: the batch cannot be split evenly.
        """
        if schedule.batch_size % world_size:
            raise UserError(
                f"batch_size {schedule.batch_size} cannot be split over {world_size} processes; "
                f"give a multiple of {world_size}"
            )
        self.schedule, self.steps = schedule, steps
        self.share = schedule.batch_size // world_size
        self.start = rank * self.share

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order_epoch, order = -1, np.empty(0, np.uint32)
        for step in self.steps:
            epoch, batch = divmod(step, self.schedule.steps_per_epoch)
            if epoch != order_epoch:
                order_epoch, order = epoch, self.schedule.epoch_order(epoch)
            first = batch * self.schedule.batch_size + self.start
            yield [(epoch, int(number)) for number in order[first : first + self.share]]


@dataclass(frozen=True, kw_only=True)
class TrainSamples(Dataset[tuple[torch.Tensor, torch.Tensor, tuple[str, ...]]]):
    """Decoded, cropped, tokenised samples by (epoch, sample number).

    Attributes:
        index: the shards, with captions as targets.
        tokenizer: string to int64 tokens of shape (1, context_length).
        image_size: side of the square images, in pixels.
        crop_scale: smallest side of the crop, as a share of the shorter side.
        seed: of the crops.
    """

    index: ShardIndex
    tokenizer: Any
    image_size: int
    crop_scale: float
    seed: int

    def __getitem__(self, place: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor, tuple[str, ...]]:
        epoch, number = place
        crop_seed = np.random.default_rng([self.seed, epoch, number])
        skipped: list[str] = []
        for offset in range(LONGEST_BROKEN_RUN):
            candidate = (number + offset) % len(self.index)
            image, caption = self.index.read(candidate)
            try:
                tokens = self.tokenizer(caption.decode("utf-8"))[0]
                pixels = random_square(image, self.image_size, self.crop_scale, crop_seed)
            except UNREADABLE:
                skipped.append(self.index.name(candidate))
                continue
            return pixels, tokens, tuple(skipped)
        raise UserError(
            f"{LONGEST_BROKEN_RUN} samples from {skipped[0]} on are unreadable; write that shard again"
        )


def random_square(data: bytes, side: int, crop_scale: float, generator: np.random.Generator) -> torch.Tensor:
    """Decode an image, cut a random square and resize it (bicubic, antialiased).

    With `crop_scale` 1 this is CLIP's only augmentation: a random square crop from
    the resized image. JPEGs are decoded at 1/2, 1/4 or 1/8 while that is no upscale.

    Args:
        data: an image file.
        side: side of the result, in pixels.
        crop_scale: smallest side of the square, as a share of the shorter side.
        generator: gives the square's side and place.

    Returns:
        uint8 tensor of shape (3, side, side).

    Raises:
        OSError, ValueError, SyntaxError, DecompressionBombError: not a readable image.
    """
    scale, across, down = generator.uniform(crop_scale, 1), generator.random(), generator.random()
    image = Image.open(io.BytesIO(data))
    shrink = side / (scale * min(image.size))
    image.draft("RGB", (int(image.width * shrink) + 1, int(image.height * shrink) + 1))
    square = scale * min(image.size)
    left, top = across * (image.width - square), down * (image.height - square)
    box = (left, top, left + square, top + square)
    resized = image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC, box)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1)


def to_model(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Move images to the device and normalise them with CLIP's mean and deviation.

    Args:
        images: uint8, (n, 3, side, side).
        device: where the model is.

    Returns:
        float32, (n, 3, side, side), channels last in memory.
    """
    mean = torch.tensor(OPENAI_DATASET_MEAN, device=device).view(1, 3, 1, 1) * 255
    deviation = torch.tensor(OPENAI_DATASET_STD, device=device).view(1, 3, 1, 1) * 255
    floats = images.to(device, non_blocking=True).float()
    return ((floats - mean) / deviation).contiguous(memory_format=torch.channels_last)


def train_loader(samples: TrainSamples, sampler: StepSampler, workers: int) -> DataLoader[Any]:
    """Load the sampler's batches in order, decoded by `workers` processes (0: this one)."""
    return DataLoader(
        samples,
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
        prefetch_factor=4 if workers else None,
    )


def collate(samples: list[tuple[torch.Tensor, torch.Tensor, tuple[str, ...]]]) -> Batch:
    """Stack samples to a batch."""
    images, texts, skipped = zip(*samples, strict=True)
    return Batch(torch.stack(images), torch.stack(texts), tuple(name for names in skipped for name in names))
