"""metrics.jsonl's lines for TensorBoard, in `OUTPUT/tensorboard`."""

from types import TracebackType
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from wit_builder.storage import is_local, join

FOLDER = "tensorboard"


class Board:
    """Writes scalars while it is open; nothing for a process without output or for a remote folder."""

    def __init__(self, output: str | None, step: int) -> None:
        """Go on after `step`: what an earlier try wrote beyond it is hidden."""
        shown = output is not None and is_local(output)
        self.writer: Any = SummaryWriter(join(output, FOLDER), purge_step=step + 1) if shown else None  # type: ignore[arg-type]

    def __enter__(self) -> "Board":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace
        if self.writer:
            self.writer.close()

    def add(self, line: dict[str, Any]) -> None:
        """Add one line of metrics."""
        if not self.writer:
            return
        for name in line.keys() - {"step"}:
            self.writer.add_scalar(name, line[name], line["step"])
