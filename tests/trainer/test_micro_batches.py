import multiprocessing
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from open_clip import ClipLoss
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from tests.trainer.samples import TINY
from trainer.contrastive import ContrastiveStep
from trainer.models import build_model

CONFIG: dict[str, Any] = yaml.safe_load(TINY)["model"]
CPU = torch.device("cpu")


def tiny(dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    model: Any = build_model(CONFIG)
    if dropout:
        model.visual.ln_post = nn.Sequential(model.visual.ln_post, nn.Dropout(dropout))
    return model.train()  # type: ignore[no-any-return]


def batch(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(size, 3, 32, 32, generator=generator),
        torch.randint(1, 49408, (size, 8), generator=generator),
    )


def step(model: nn.Module, micro_batch: int | None, rank: int = 0, size: int = 1) -> ContrastiveStep:
    criterion: Any = ClipLoss(local_loss=True, gather_with_grad=True, rank=rank, world_size=size)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    return ContrastiveStep(
        model=model, criterion=criterion, device=CPU, precision="fp32", micro_batch=micro_batch, scaler=scaler
    )


def gradients(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def assert_same(mine: Any, theirs: Any) -> None:
    assert torch.allclose(mine[0], theirs[0], atol=1e-5)
    assert mine[1].keys() == theirs[1].keys()
    assert "logit_scale" in mine[1]
    for name, gradient in theirs[1].items():
        assert gradient.abs().max() > 0
        assert torch.allclose(mine[1][name], gradient, atol=1e-5), name


def learned(micro_batch: int | None) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    model = tiny()
    return step(model, micro_batch).backward(*batch(12)), gradients(model)


@pytest.mark.parametrize("micro_batch", [1, 5, 6, 12, 100])
def test_micro_batches_give_the_loss_and_gradients_of_the_whole_batch(micro_batch: int) -> None:
    assert_same(learned(micro_batch), learned(None))


def test_separate_small_batches_would_not() -> None:
    model = tiny()
    images, texts = batch(12)
    losses = [step(model, None).backward(images[n : n + 6], texts[n : n + 6]) for n in (0, 6)]
    assert abs(sum(losses) / 2 - learned(None)[0]) > 0.1


def test_dropout_falls_alike_both_times() -> None:
    model = tiny(dropout=0.5)
    seen: list[torch.Tensor] = []
    model.visual.ln_post[1].register_forward_hook(lambda *call: seen.append(call[2].detach() == 0))  # type: ignore[index,union-attr]
    step(model, 4).backward(*batch(12))
    assert len(seen) == 6
    for first, again in zip(seen[:3], seen[3:], strict=True):
        assert torch.equal(first, again)
    assert not torch.equal(seen[0], seen[1])


def one_of_two(rank: int, folder: Path) -> None:
    """Take half of the batch, with and without micro-batches; the first process writes what came out."""
    store = distributed.FileStore(str(folder / "store"), 2)  # type: ignore[attr-defined]
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    images, texts = (part[rank * 6 : rank * 6 + 6] for part in batch(12))
    for micro_batch in (None, 4):
        model = tiny()
        loss = step(DistributedDataParallel(model), micro_batch, rank, 2).backward(images, texts)
        distributed.all_reduce(loss)
        if rank == 0:
            torch.save((loss / 2, gradients(model)), folder / f"{micro_batch}.pt")
    distributed.destroy_process_group()


def test_two_processes_with_micro_batches_are_one_batch(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")  # they need not import torch again
    processes = [fork.Process(target=one_of_two, args=(rank, tmp_path)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    for micro_batch in (None, 4):
        assert_same(torch.load(tmp_path / f"{micro_batch}.pt"), learned(None))
