"""Shards -> a CLIP model; the work is `trainer.train`'s."""

import os
from typing import Any

from pipelines.cli import main_of
from pipelines.session import Session
from trainer.options import TrainOptions
from trainer.train import train

__all__ = ["TrainOptions", "run"]


def run(options: TrainOptions, session: Session) -> dict[str, Any]:
    """Train, or resume training, in this process; `torchrun` starts several.

    Raises:
        UserError: no shards, an unknown preset, another run in the output folder, or a
            loss that is not a number.
    """
    manifest = session.alone("train", options, train)
    return manifest if os.environ.get("RANK", "0") == "0" else {}  # one of torchrun's processes tells


if __name__ == "__main__":
    main_of("pipelines.train")
