"""The loss of a step and its gradients: at once, or in micro-batches with the whole contrastive batch.

In micro-batches (GradCache: Gao et al. 2021, arXiv:2101.06983): all features are
computed without a graph, the loss gives the gradient of each feature, then each
micro-batch is encoded again and sends its features' gradients back. Loss and
gradients are those of the whole batch, for a model whose samples do not touch each
other: a batch norm sees each micro-batch by itself, twice.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel

FEATURES = ("image_features", "text_features")
AUTOCAST = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
Encoded = dict[str, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class ContrastiveStep:
    """Forward and backward of one step.

    Attributes:
        model: an open_clip model with dictionary output, possibly in DistributedDataParallel.
        criterion: open_clip's ClipLoss.
        device: where the model is.
        precision: `fp32`, `bf16` or `fp16`.
        micro_batch: samples encoded at once; None: all.
        scaler: of the loss; does nothing unless the precision is fp16.
    """

    model: Any
    criterion: Any
    device: torch.device
    precision: str
    micro_batch: int | None
    scaler: torch.amp.GradScaler

    def backward(self, images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """Add the gradients of this process's share of a batch to the parameters.

        Args:
            images: float32, (n, 3, side, side).
            texts: int64 tokens, (n, length).

        Returns:
            the loss, a scalar without a graph.
        """
        if self.micro_batch is None or self.micro_batch >= len(images):
            loss = self._loss(self._encode(images, texts))
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            return loss.detach()
        parts = list(
            zip(torch.split(images, self.micro_batch), torch.split(texts, self.micro_batch), strict=True)
        )
        return self._backward_cached(parts)

    def _backward_cached(self, parts: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        states: list[list[torch.Tensor]] = []
        cached: list[Encoded] = []
        with torch.no_grad():
            for images, texts in parts:
                states.append(_random_state(self.device))  # dropout must fall alike both times
                cached.append(self._encode(images, texts))
        leaves = {name: torch.cat([part[name] for part in cached]).requires_grad_() for name in FEATURES}
        leaves["logit_scale"] = cached[0]["logit_scale"].requires_grad_()
        loss = self._loss(leaves)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        gradients = [_gradient(leaves[name]).split(len(parts[0][0])) for name in FEATURES]
        scale_gradient = _gradient(leaves["logit_scale"]) / len(parts)
        for number, ((images, texts), state) in enumerate(zip(parts, states, strict=True)):
            last = number == len(parts) - 1
            with self._unsynchronised(last), _replayed(state, self.device):
                encoded = self._encode(images, texts)
                sent_back: Any = (encoded["logit_scale"] * scale_gradient).sum()
                for name, gradient in zip(FEATURES, gradients, strict=True):
                    sent_back = sent_back + (encoded[name] * gradient[number]).sum()
                sent_back.backward()
        return loss.detach()

    def _encode(self, images: torch.Tensor, texts: torch.Tensor) -> Encoded:
        """Encode n samples: L2-normalised features in float32, (n, embed_dim), and the scale."""
        dtype = AUTOCAST[self.precision]
        with torch.autocast(self.device.type, dtype, enabled=dtype is not torch.float32):
            encoded = self.model(images, texts)
        return {name: encoded[name].float() for name in (*FEATURES, "logit_scale")}

    def _loss(self, encoded: Encoded) -> torch.Tensor:
        loss: torch.Tensor = self.criterion(*(encoded[name] for name in FEATURES), encoded["logit_scale"])
        return loss

    def _unsynchronised(self, last: bool) -> Any:
        """Let processes add up their gradients once, with the last micro-batch."""
        if last or not isinstance(self.model, DistributedDataParallel):
            return nullcontext()
        return self.model.no_sync()


def _gradient(leaf: torch.Tensor) -> Any:
    return leaf.grad


def _random_state(device: torch.device) -> list[torch.Tensor]:
    on_device = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    return [torch.get_rng_state(), *on_device]


@contextmanager
def _replayed(state: list[torch.Tensor], device: torch.device) -> Iterator[None]:
    """Draw random numbers as after `state`; afterwards go on as if nothing had been drawn."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.set_rng_state(state[0])
        if device.type == "cuda":
            torch.cuda.set_rng_state(state[1], device)
        yield
