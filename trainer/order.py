"""Which samples each step takes: a seeded order that needs no memory and can begin anywhere.

An epoch's order is a permutation of all places by a Feistel network over a seeded
hash, walked until it falls inside (Black and Rogaway 2002), so a place is looked up
by itself: nothing is shuffled, and a restart is exact.

With weights, the permuted place is a systematic draw (Madow 1949): sample i is taken
floor or ceil of `n * weights[i] / sum(weights)` times an epoch, and which of the two
follows from an offset that differs by epoch.

The tail: an epoch has `samples // batch_size` full batches; the rest of its order is
left out, other samples each epoch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from wit_builder.hashing import hash_text, mix
from wit_builder.storage import UserError

ROUNDS = 4  # enough for a pseudo-random permutation (Luby and Rackoff 1988)
Places = npt.NDArray[np.uint64]


def permute(places: Places, size: int, seed: int) -> Places:
    """Permute the numbers below `size`.

    Args:
        places: uint64 numbers below `size`, of shape (n,).
        size: how many there are.
        seed: of the permutation.

    Returns:
        uint64 numbers below `size`, of shape (n,); different for different places.
    """
    half = np.uint64(max(1, ((size - 1).bit_length() + 1) // 2))
    keys = [hash_text(f"round {number}", seed) for number in range(ROUNDS)]
    walked = places.astype(np.uint64)
    outside = np.ones(len(walked), bool)
    while outside.any():
        walked[outside] = _feistel(walked[outside], half, keys)
        outside = walked >= size
    return walked


def _feistel(values: Places, half: np.uint64, keys: list[int]) -> Places:
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = values >> half, values & mask
    for key in keys:
        left, right = right, left ^ (mix(right, key) & mask)
    return (left << half) | right


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Which samples each step takes.

    Attributes:
        samples: size of the data set.
        batch_size: samples a step, over all processes.
        seed: of the permutations.
        weights: float64, (samples): how often to take each, up to a factor; None: all alike.
    """

    samples: int
    batch_size: int
    seed: int
    weights: npt.NDArray[np.float64] | None = None
    cumulative: npt.NDArray[np.float64] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.samples < self.batch_size:
            raise UserError(
                f"batch_size {self.batch_size} is above the {self.samples} samples of the shards; "
                f"give a batch_size of at most {self.samples}"
            )
        if self.weights is not None:
            object.__setattr__(self, "cumulative", np.cumsum(self.weights))

    @property
    def steps_per_epoch(self) -> int:
        """Give the number of full batches in an epoch."""
        return self.samples // self.batch_size

    def take(self, epoch: int, first: int, count: int) -> npt.NDArray[np.int64]:
        """Give the samples at places `first` to `first + count` of an epoch: int64, (count)."""
        seed = hash_text(f"epoch {epoch}", self.seed)
        places = permute(np.arange(first, first + count, dtype=np.uint64), self.samples, seed)
        if self.cumulative is None:
            return places.astype(np.int64)
        offset = seed / 2**64
        drawn = (places + offset) / self.samples * self.cumulative[-1]
        found: npt.NDArray[np.int64] = np.searchsorted(self.cumulative, drawn, side="right")
        return np.minimum(found, self.samples - 1, dtype=np.int64)


class StepSampler(Sampler[tuple[int, list[int]]]):
    """Yield, for each step, the epoch and this process's sample numbers."""

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

    def __iter__(self) -> Iterator[tuple[int, list[int]]]:
        for step in self.steps:
            epoch, batch = divmod(step, self.schedule.steps_per_epoch)
            first = batch * self.schedule.batch_size + self.start
            yield epoch, self.schedule.take(epoch, first, self.share).tolist()
