"""How a run tells where it is: one live line on a terminal, plain lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text


class Reporter:
    """Shows metrics and messages on standard error; silent if told so."""

    def __init__(self, console: Console, live: Live | None) -> None:
        self.console, self.live = console, live

    def show(self, metrics: dict[str, Any], steps: int, remaining: float) -> None:
        """Show one line of metrics.

        Args:
            metrics: a line of metrics.jsonl.
            steps: steps of the whole training.
            remaining: seconds to its end at this pace.
        """
        line = (
            f"step {metrics['step']}/{steps}  epoch {metrics['epoch']}  loss {metrics['loss']:.3f}  "
            f"scale {metrics['logit_scale']:.1f}  {metrics['samples_per_second']:.0f} samples/s  "
            f"data wait {metrics['data_wait_share']:.0%}  ETA {timedelta(seconds=round(remaining))}"
        )
        if "mfu" in metrics:
            line += f"  MFU {metrics['mfu']:.0%}"
        if self.live:
            self.live.update(Text(line))
        else:
            self.say(line)

    def say(self, message: str) -> None:
        """Print a message on a line of its own."""
        self.console.print(message, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def reporting(quiet: bool) -> Iterator[Reporter]:
    """Open a reporter; `quiet` for all processes but the first."""
    console = Console(stderr=True, quiet=quiet)
    if quiet or not console.is_terminal:
        yield Reporter(console, None)
        return
    with Live(console=console, auto_refresh=True) as live:
        yield Reporter(console, live)
