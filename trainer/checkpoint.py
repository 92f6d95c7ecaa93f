"""One checkpoint file: open_clip's keys and what an exact resume needs besides.

Keys: `epoch` (epochs completed), `name`, `state_dict`, `optimizer` as open_clip
writes them; `step` (optimiser steps done), `position` (samples of the current
epoch already used), `model` (open_clip name or config), `identity` (see
`runs.py`), `skipped` (broken samples met so far). open_clip's `load_checkpoint`
and `create_model(..., pretrained=path)` read it.
"""

import pickle
from typing import Any

import torch

from wit_builder.storage import UserError, exists, join, open_read, write_file

CHECKPOINT = "checkpoint.pt"


def checkpoint_path(source: str) -> str | None:
    """Give the checkpoint that a training output folder or a path names; None if it is no file."""
    inside = join(source, CHECKPOINT)
    return inside if exists(inside) else source if exists(source) else None


def write_checkpoint(path: str, state: dict[str, Any]) -> None:
    """Write a checkpoint, complete or not at all.

    Raises:
        UserError: a weight is not finite; the file that is there stays as it is.
    """
    for name, tensor in state["state_dict"].items():
        if not torch.isfinite(tensor).all():
            raise UserError(
                f"{name} is not finite after step {state['step']}: training diverged; "
                f"lower learning_rate (the last good checkpoint is kept)"
            )
    with write_file(path) as handle:
        torch.save(state, handle)


def read_checkpoint(path: str) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Raises:
        UserError: the file is no checkpoint.
    """
    with open_read(path) as handle:
        try:
            state: dict[str, Any] = torch.load(handle, map_location="cpu", weights_only=True)
            known = "state_dict" in state
        except (RuntimeError, EOFError, TypeError, pickle.UnpicklingError) as error:
            kind = type(error).__name__
            raise UserError(f"{path} cannot be read as a checkpoint ({kind}); give another file") from None
    if not known:
        raise UserError(f"{path} holds no state_dict; give a checkpoint of `train` or of open_clip")
    return state
