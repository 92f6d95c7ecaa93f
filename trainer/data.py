"""Training batches: samples of a seeded order, decoded and cropped, the same on every restart.

Everything that a batch holds is a function of (seed, step): see `order.py`; a crop is
seeded by (seed, epoch, sample). So neither the number of workers nor a restart changes
a training.

A broken sample is replaced by the next readable one and reported, so batches
keep their size and processes stay in step.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from trainer.crops import Pixels, random_resized, random_square
from trainer.order import StepSampler
from trainer.shard_index import ShardIndex
from wit_builder.storage import UserError

UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # what PIL raises
LONGEST_BROKEN_RUN = 100
PREFETCH = 4  # batches a worker
LENGTH_STEP = 8  # texts are cut to a multiple: few shapes, and what tensor cores like


class Batch(NamedTuple):
    """One process's share of a step.

    Attributes:
        images: uint8, (n, side, side, 3).
        texts: int64 tokens, (n, length), length <= context_length.
        skipped: names of broken samples that were replaced.
    """

    images: torch.Tensor
    texts: torch.Tensor
    skipped: tuple[str, ...]


class Fault(NamedTuple):
    """A user's error on its way out of a worker: DataLoader would wrap it in a traceback."""

    message: str


@dataclass(frozen=True, kw_only=True)
class TrainBatches(Dataset[Batch | Fault]):
    """Decoded, cropped, tokenised samples by (epoch, sample numbers).

    Attributes:
        index: the shards, with captions as targets.
        tokenizer: string to int64 tokens of shape (1, context_length).
        image_size: side of the square images, in pixels.
        crop: `square` or `resized`.
        crop_scale: of a square crop: smallest side, as a share of the shorter side.
        seed: of the crops.
        short_texts: cut off the padding that all texts share.
    """

    index: ShardIndex
    tokenizer: Any
    image_size: int
    crop: str
    crop_scale: float
    seed: int
    short_texts: bool = False

    def __getitem__(self, share: tuple[int, list[int]]) -> Batch | Fault:
        epoch, numbers = share
        images = np.empty((len(numbers), self.image_size, self.image_size, 3), np.uint8)
        texts: list[torch.Tensor] = []
        skipped: list[str] = []
        try:
            for place, number in enumerate(numbers):
                images[place], tokens, broken = self.sample(epoch, number)
                texts.append(tokens)
                skipped += broken
        except UserError as error:
            return Fault(str(error))
        stacked = torch.stack(texts)
        return Batch(
            torch.from_numpy(images), shortened(stacked) if self.short_texts else stacked, tuple(skipped)
        )

    def sample(self, epoch: int, number: int) -> tuple[Pixels, torch.Tensor, list[str]]:
        """Give a sample's pixels and tokens, and the names of the broken ones it stands for.

        Raises:
            UserError: none of the next samples is readable.
        """
        generator = np.random.default_rng([self.seed, epoch, number])
        skipped: list[str] = []
        for offset in range(LONGEST_BROKEN_RUN):
            candidate = (number + offset) % len(self.index)
            image, caption = self.index.read(candidate)
            try:
                tokens = self.tokenizer(caption.decode("utf-8"))[0]
                return self._pixels(image, generator), tokens, skipped
            except UNREADABLE:
                skipped.append(self.index.name(candidate))
        raise UserError(
            f"{LONGEST_BROKEN_RUN} samples from {skipped[0]} on are unreadable; write that shard again"
        )

    def _pixels(self, image: bytes, generator: np.random.Generator) -> Pixels:
        if self.crop == "resized":
            return random_resized(image, self.image_size, generator)
        return random_square(image, self.image_size, self.crop_scale, generator)


def shortened(texts: torch.Tensor) -> torch.Tensor:
    """Cut off columns at the end that hold nothing but padding (0), to a multiple of 8 tokens."""
    used = int(texts.ne(0).any(dim=0).nonzero().max()) + 1
    return texts[:, : -(-used // LENGTH_STEP) * LENGTH_STEP].contiguous()


def train_batches(batches: TrainBatches, sampler: StepSampler, workers: int) -> Iterator[Batch]:
    """Load the sampler's batches in order, decoded by `workers` processes (0: this one).

    Raises:
        UserError: what a worker met, or a worker that was killed.
    """
    loader: DataLoader[Any] = DataLoader(
        batches,
        sampler=sampler,
        batch_size=None,  # an item is a batch
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        prefetch_factor=PREFETCH if workers else None,
    )
    loaded = iter(loader)
    while True:
        try:
            batch = next(loaded, None)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise UserError(
                "a decoding process was killed, probably for want of memory; lower workers or batch_size"
            ) from None
        if batch is None:
            return
        if isinstance(batch, Fault):
            raise UserError(batch.message)
        yield batch
