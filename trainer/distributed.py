"""The processes of one run: one alone, or those that torchrun started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed


@dataclass(frozen=True)
class World:
    """This process among all.

    Attributes:
        rank: its number.
        size: how many there are.
        device: where its tensors live.
    """

    rank: int
    size: int
    device: torch.device

    def mean(self, value: torch.Tensor) -> float:
        """Average a scalar over the processes."""
        total = value.detach().clone()
        if self.size > 1:
            distributed.all_reduce(total)
        return total.item() / self.size

    def union(self, names: set[str]) -> list[str]:
        """Unite the processes' sets, sorted."""
        parts: list[Any] = [names]
        if self.size > 1:
            parts = [None] * self.size
            distributed.all_gather_object(parts, names)
        return sorted(set().union(*parts))

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            distributed.barrier()


def local_device() -> torch.device:
    """Choose this process's device: its GPU (LOCAL_RANK, or the first), or else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


@contextmanager
def joined_world() -> Iterator[World]:
    """Join the process group if torchrun set WORLD_SIZE; leave it at the end.

    NCCL on GPUs, gloo on CPUs.
    """
    size, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    device = local_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if size == 1:
        yield World(0, 1, device)
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield World(rank, size, device)
    finally:
        distributed.destroy_process_group()
