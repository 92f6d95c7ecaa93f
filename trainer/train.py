"""Contrastive training: shards in; checkpoint, metrics.jsonl, manifest out.

One process on a CPU or a GPU, or many started by torchrun. A run that was cut
off goes on from its last checkpoint and gives the same losses as one that was
not: bit for bit on a CPU with the same number of threads. All processes must see
the shards and the output folder.
"""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import torch
from open_clip import ClipLoss
from torch.nn.parallel import DistributedDataParallel

from trainer.checkpoint import CHECKPOINT, read_checkpoint, write_checkpoint
from trainer.data import Batch, Schedule, StepSampler, TrainSamples, to_model, train_loader
from trainer.distributed import World, joined_world
from trainer.models import build_model, build_tokenizer, image_size
from trainer.optimizer import build_optimizer, clip_logit_scale, learning_rate
from trainer.options import TrainOptions
from trainer.presets import Preset, recipe
from trainer.progress import Reporter, reporting
from trainer.runs import MANIFEST, check_identity, finish, is_complete
from trainer.shard_index import ShardIndex, index_shards
from wit_builder.storage import UserError, exists, join, read_bytes, write_bytes

METRICS = "metrics.jsonl"
NOT_IDENTITY = ("log_every", "checkpoint_every")  # change what is written, not what is learned
SKIPPED_NAMED = 100  # broken samples that the manifest names


def train(options: TrainOptions) -> dict[str, Any]:
    """Train a model, or finish training it; do nothing if it is finished.

    Returns:
        the manifest that lies in the output folder.

    Raises:
        UserError: bad options or shards, another run's output folder, or a loss that is not finite.
    """
    preset = recipe(options)
    with joined_world() as world, reporting(quiet=world.rank > 0) as reporter:
        index = index_shards(options.shards, "txt")
        identity = {name: value for name, value in asdict(preset).items() if name not in NOT_IDENTITY}
        identity |= {"seed": options.seed, "shards": index.digest()}
        if is_complete(options.output, identity):
            reporter.say(f"{options.output} is complete: nothing to do")
        else:
            training = Training(options, preset, index, world, reporter)
            training.resume(identity)
            training.run(identity)
        world.wait()
        manifest: dict[str, Any] = json.loads(read_bytes(join(options.output, MANIFEST)))
        return manifest


class Training:
    """The state of one training, and its loop."""

    def __init__(
        self, options: TrainOptions, preset: Preset, index: ShardIndex, world: World, reporter: Reporter
    ) -> None:
        """Build model, optimiser and schedule; the seed decides the first weights."""
        self.options, self.preset, self.index = options, preset, index
        self.world, self.reporter = world, reporter
        self.schedule = Schedule(samples=len(index), batch_size=preset.batch_size, seed=options.seed)
        self.steps = preset.steps or (preset.epochs or 0) * self.schedule.steps_per_epoch
        torch.manual_seed(options.seed)
        self.model: Any = build_model(preset.model).to(world.device).to(memory_format=torch.channels_last)
        self.forward: Any = DistributedDataParallel(self.model) if world.size > 1 else self.model
        self.optimizer = build_optimizer(self.model, preset)
        self.loss: Any = ClipLoss(
            local_loss=True, gather_with_grad=True, cache_labels=True, rank=world.rank, world_size=world.size
        )
        self.step = 0
        self.skipped: set[str] = set()
        self.metrics: list[dict[str, Any]] = []

    def resume(self, identity: dict[str, Any]) -> None:
        """Take up the output folder's checkpoint, if there is one.

        Raises:
            UserError: it is another run's.
        """
        path = join(self.options.output, CHECKPOINT)
        if not exists(path):
            return
        state = read_checkpoint(path)
        check_identity(self.options.output, state.get("identity", {}), identity)
        self.model.load_state_dict(state["state_dict"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.skipped = state["step"], set(state["skipped"])
        lines = read_bytes(join(self.options.output, METRICS)).splitlines()
        self.metrics = [line for line in map(json.loads, lines) if line["step"] <= self.step]
        self.reporter.say(f"going on from step {self.step} of {path}")

    def run(self, identity: dict[str, Any]) -> None:
        """Train to the last step, with a checkpoint every so many steps; then write the manifest."""
        self.model.train()
        losses: list[torch.Tensor] = []
        started, waited = time.perf_counter(), 0.0
        batches = self._batches()
        while self.step < self.steps:
            asked = time.perf_counter()
            batch = next(batches)
            waited += time.perf_counter() - asked
            self.skipped.update(batch.skipped)
            losses.append(self._train_step(batch))
            saving = self.step % self.preset.checkpoint_every == 0 or self.step == self.steps
            if saving or self.step % self.preset.log_every == 0:
                self._log(losses, time.perf_counter() - started, waited)
                if saving:
                    self._save(identity)
                losses = []
                started, waited = time.perf_counter(), 0.0
        if self.world.rank == 0:
            self._finish(identity)

    def _batches(self) -> Iterator[Batch]:
        samples = TrainSamples(
            index=self.index,
            tokenizer=build_tokenizer(self.preset.model),
            image_size=image_size(self.model),
            crop_scale=self.preset.crop_scale,
            seed=self.options.seed,
        )
        remaining = range(self.step, self.steps)
        sampler = StepSampler(self.schedule, remaining, self.world.rank, self.world.size)
        return iter(train_loader(samples, sampler, self.options.workers))

    def _train_step(self, batch: Batch) -> torch.Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.steps, self.preset)
        device = self.world.device
        images, texts = to_model(batch.images, device), batch.texts.to(device, non_blocking=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.preset.precision == "bf16"):
            features = self.forward(images, texts)
        image_features = features["image_features"].float()  # (n, embed_dim), L2-normalised
        text_features = features["text_features"].float()
        loss: torch.Tensor = self.loss(image_features, text_features, features["logit_scale"])
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        clip_logit_scale(self.model.logit_scale)
        self.step += 1
        return loss.detach()

    def _log(self, losses: list[torch.Tensor], seconds: float, waited: float) -> None:
        """Add a line of metrics; `losses` are those since the last line."""
        loss = self.world.mean(torch.stack(losses).mean())
        if not math.isfinite(loss):
            raise UserError(
                f"the loss is {loss} at step {self.step}: training diverged; lower learning_rate, or use "
                f"precision fp32 (the last good checkpoint in {self.options.output} is kept)"
            )
        line = {
            "step": self.step,
            "epoch": round(self.step / self.schedule.steps_per_epoch, 3),
            "loss": loss,
            "logit_scale": self.model.logit_scale.exp().item(),
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "samples_per_second": round(len(losses) * self.preset.batch_size / seconds, 1),
            "data_wait_share": round(waited / seconds, 4),
        }
        self.metrics.append(line)
        self.reporter.show(line, self.steps)

    def _save(self, identity: dict[str, Any]) -> None:
        self.skipped = set(self.world.union(self.skipped))
        if self.world.rank > 0:
            return
        epoch, batches = divmod(self.step, self.schedule.steps_per_epoch)
        state = {
            "epoch": epoch,
            "name": self.preset.name,
            "state_dict": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "position": batches * self.preset.batch_size,
            "model": self.preset.model,
            "identity": identity,
            "skipped": sorted(self.skipped),
        }
        lines = "".join(json.dumps(line) + "\n" for line in self.metrics)
        write_bytes(join(self.options.output, METRICS), lines.encode())
        write_checkpoint(join(self.options.output, CHECKPOINT), state)

    def _finish(self, identity: dict[str, Any]) -> None:
        counts = {
            "samples": len(self.index),
            "incomplete": self.index.incomplete,
            "skipped": len(self.skipped),
            "steps": self.steps,
            "samples_seen": self.steps * self.preset.batch_size,
        }
        manifest = {
            "stage": "train",
            "options": asdict(self.options),
            "identity": identity,
            "counts": counts,
            "skipped": sorted(self.skipped)[:SKIPPED_NAMED],
            "last": self.metrics[-1],
        }
        finish(self.options.output, manifest)
        self.reporter.say(f"trained {self.steps} steps; {len(self.skipped)} broken samples replaced")
