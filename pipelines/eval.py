"""A CLIP model -> zero-shot and retrieval figures; the work is `trainer.evaluate`'s."""

from typing import Any

from pipelines.cli import main_of
from pipelines.session import Session
from trainer.evaluate import evaluate
from trainer.options import EvalOptions

__all__ = ["EvalOptions", "run"]


def run(options: EvalOptions, session: Session) -> dict[str, Any]:
    """Evaluate one checkpoint in this process.

    Raises:
        UserError: the checkpoint or the data is missing or does not fit.
    """
    return session.alone("eval", options, evaluate)


if __name__ == "__main__":
    main_of("pipelines.eval")
