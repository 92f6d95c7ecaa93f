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
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import torch
from open_clip import ClipLoss
from torch.nn.parallel import DistributedDataParallel

from trainer.board import Board
from trainer.checkpoint import CHECKPOINT, read_checkpoint, write_checkpoint
from trainer.concepts import concept_weights
from trainer.contrastive import ContrastiveStep
from trainer.crops import to_model
from trainer.data import Batch, TrainBatches, train_batches
from trainer.distributed import World, joined_world
from trainer.export import export
from trainer.meter import Meter
from trainer.models import build_tokenizer, image_size, normalisation, with_towers
from trainer.optimizer import build_optimizer, clip_logit_scale, learning_rate
from trainer.options import TrainOptions
from trainer.order import Schedule, StepSampler
from trainer.presets import Preset, recipe
from trainer.progress import Reporter, reporting
from trainer.runs import MANIFEST, check_identity, finish, is_complete
from trainer.shard_index import ShardIndex, index_shards
from trainer.towers import takes_short_texts
from trainer.weights import checkpoint_activations, lock_towers, starting_model
from wit_builder.hashing import hash_text
from wit_builder.storage import UserError, exists, join, read_bytes, write_bytes

METRICS = "metrics.jsonl"
NOT_IDENTITY = ("log_every", "checkpoint_every", "micro_batch", "grad_checkpointing", "compile")
"""They change what is written and how fast, not what is learned."""
SKIPPED_NAMED = 100  # broken samples that the manifest names


def train(options: TrainOptions) -> dict[str, Any]:
    """Train a model, or finish training it; do nothing if it is finished.

    Returns:
        the manifest that lies in the output folder.

    Raises:
        UserError: bad options or shards, another run's output folder, too little memory, or a
            loss that is not finite.
    """
    preset = recipe(options)
    preset = replace(preset, model=with_towers(preset.model, options.vision_tower, options.text_tower))
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


@contextmanager
def enough_memory(preset: Preset, world: World) -> Iterator[None]:
    """Tell what to lower when memory runs out.

    Raises:
        UserError: it did.
    """
    try:
        yield
    except RuntimeError as error:  # a GPU's OutOfMemoryError is one
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        at_once = preset.micro_batch or preset.batch_size // world.size
        raise UserError(
            f"out of memory on {world.device} with {at_once} samples at once; set micro_batch to "
            f"{max(1, at_once // 2)} (the contrastive batch stays whole) or grad_checkpointing, and run again"
        ) from None


class Training:
    """The state of one training, and its loop."""

    def __init__(
        self, options: TrainOptions, preset: Preset, index: ShardIndex, world: World, reporter: Reporter
    ) -> None:
        """Build model, optimiser and schedule; the seed decides the first weights."""
        self.options, self.preset, self.index = options, preset, index
        self.world, self.reporter = world, reporter
        weights = concept_weights(index, preset.balance_cap) if preset.balance == "online" else None
        self.schedule = Schedule(
            samples=len(index), batch_size=preset.batch_size, seed=options.seed, weights=weights
        )
        self.steps = preset.steps or (preset.epochs or 0) * self.schedule.steps_per_epoch
        torch.manual_seed(options.seed)
        self.model: Any = starting_model(preset.model, preset.pretrained)
        lock_towers(self.model, preset.lock)
        self.model.to(world.device).to(memory_format=torch.channels_last)
        self.normalisation = normalisation(self.model)
        self.optimizer = build_optimizer(self.model, preset)
        self.scaler = torch.amp.GradScaler(world.device.type, enabled=preset.precision == "fp16")
        self.contrastive = self._contrastive_step()
        self.step = 0
        self.skipped: set[str] = set()
        self.metrics: list[dict[str, Any]] = []

    def _contrastive_step(self) -> ContrastiveStep:
        preset, world = self.preset, self.world
        if preset.grad_checkpointing:
            checkpoint_activations(self.model)
        if preset.compile:
            self.model.compile()
        criterion: Any = ClipLoss(
            local_loss=True, gather_with_grad=True, cache_labels=True, rank=world.rank, world_size=world.size
        )
        return ContrastiveStep(
            model=DistributedDataParallel(self.model) if world.size > 1 else self.model,
            criterion=criterion,
            device=world.device,
            precision=preset.precision,
            micro_batch=preset.micro_batch,
            scaler=self.scaler,
        )

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
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.skipped = state["step"], set(state["skipped"])
        lines = read_bytes(join(self.options.output, METRICS)).splitlines()
        self.metrics = [line for line in map(json.loads, lines) if line["step"] <= self.step]
        self.reporter.say(f"going on from step {self.step} of {path}")

    def run(self, identity: dict[str, Any]) -> None:
        """Train to the last step, with a checkpoint every so many steps; then write the manifest.

        Raises:
            UserError: a broken shard, too little memory, or a loss that is not finite.
        """
        self.model.train()
        meter = Meter(self.preset, self.world)
        batches = self._batches()
        with Board(self.options.output if self.world.rank == 0 else None, self.step) as board:
            while self.step < self.steps:
                asked = time.perf_counter()
                batch = next(batches)
                waited = time.perf_counter() - asked
                self.skipped.update(batch.skipped)
                with enough_memory(self.preset, self.world):
                    loss = self._train_step(batch)
                meter.add(loss, waited, batch.texts.shape[1])
                saving = self.step % self.preset.checkpoint_every == 0 or self.step == self.steps
                if saving or self.step % self.preset.log_every == 0:
                    board.add(self._log(meter))
                    if saving:
                        self._save(identity)
                    meter.restart()
        if self.world.rank == 0:
            self._finish(identity)

    def _batches(self) -> Iterator[Batch]:
        batches = TrainBatches(
            index=self.index,
            tokenizer=build_tokenizer(self.preset.model),
            image_size=image_size(self.model),
            crop=self.preset.crop,
            crop_scale=self.preset.crop_scale,
            seed=self.options.seed,
            short_texts=takes_short_texts(self.model),
        )
        remaining = range(self.step, self.steps)
        sampler = StepSampler(self.schedule, remaining, self.world.rank, self.world.size)
        return train_batches(batches, sampler, self.options.workers)

    def _train_step(self, batch: Batch) -> torch.Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.steps, self.preset)
        # dropout, too, is a function of seed and step
        torch.manual_seed(hash_text(f"step {self.step}, process {self.world.rank}", self.options.seed))
        device = self.world.device
        images = to_model(batch.images, device, self.normalisation)
        self.optimizer.zero_grad()
        loss = self.contrastive.backward(images, batch.texts.to(device, non_blocking=True))
        self.scaler.step(self.optimizer)
        self.scaler.update()
        clip_logit_scale(self.model.logit_scale)
        self.step += 1
        return loss

    def _log(self, meter: Meter) -> dict[str, Any]:
        """Add a line of metrics on the stretch since the last line."""
        measured = meter.line()
        if not math.isfinite(measured["loss"]):
            raise UserError(
                f"the loss is {measured['loss']} at step {self.step}: training diverged; lower "
                f"learning_rate, or use precision fp32 ({self.options.output} keeps the last good checkpoint)"
            )
        line = {
            "step": self.step,
            "epoch": round(self.step / self.schedule.steps_per_epoch, 3),
            "logit_scale": self.model.logit_scale.exp().item(),
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            **measured,
        }
        self.metrics.append(line)
        remaining = (self.steps - self.step) * self.preset.batch_size / line["samples_per_second"]
        self.reporter.show(line, self.steps, remaining)
        return line

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
            "scaler": self.scaler.state_dict(),
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
        export(self.options.output, self.model, self.preset.model)
        finish(self.options.output, manifest)
        self.reporter.say(f"trained {self.steps} steps; {len(self.skipped)} broken samples replaced")
