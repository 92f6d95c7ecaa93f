"""What a stretch of training was like: one line of metrics.jsonl."""

import time
from functools import lru_cache
from typing import Any

import torch

from trainer.distributed import World
from trainer.flops import peak_flops, training_flops
from trainer.presets import Preset


class Meter:
    """Collects losses and times since the last line."""

    def __init__(self, preset: Preset, world: World) -> None:
        """Start the clock."""
        self.preset, self.world = preset, world
        self.peak = peak_flops(world.device) if preset.precision != "fp32" and preset.lock == "none" else None
        self.flops_of_length = lru_cache(lambda length: training_flops(preset.model, length))
        self.restart()

    def restart(self) -> None:
        """Forget the stretch."""
        self.losses: list[torch.Tensor] = []
        self.flops, self.waited, self.started = 0, 0.0, time.perf_counter()

    def add(self, loss: torch.Tensor, waited: float, text_length: int) -> None:
        """Count a step: its loss, the seconds it waited for data, the tokens of its texts."""
        self.losses.append(loss)
        self.waited += waited
        if self.peak:
            self.flops += self.flops_of_length(text_length)

    def line(self) -> dict[str, Any]:
        """Sum the stretch up: loss, samples_per_second, data_wait_share; mfu on a GPU of known peak.

        The loss is the mean over steps and processes; waiting for it waits for the device.
        """
        loss = self.world.mean(torch.stack(self.losses).mean())
        seconds = time.perf_counter() - self.started
        steps = len(self.losses)
        line = {
            "loss": loss,
            "samples_per_second": round(steps * self.preset.batch_size / seconds, 1),
            "data_wait_share": round(self.waited / seconds, 4),
        }
        if self.peak:
            flops = self.flops * self.preset.batch_size / seconds
            line["mfu"] = round(flops / (self.world.size * self.peak), 4)
        return line
