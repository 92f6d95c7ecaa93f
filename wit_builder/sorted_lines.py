"""Sort more lines than memory holds: runs on disk, then a merge."""

import heapq
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import IO, Self

LINES_IN_MEMORY = 1_000_000


class SortedLines:
    """Takes lines in any order and gives them back sorted. A context: its files go with it."""

    def __init__(self) -> None:
        self._pending: list[str] = []
        self._runs: list[IO[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for run in self._runs:
            run.close()

    def add(self, line: str) -> None:
        """Take a line, without its end."""
        self._pending.append(f"{line}\n")
        if len(self._pending) >= LINES_IN_MEMORY:
            run = tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n")  # noqa: SIM115 - closed on exit
            run.writelines(sorted(self._pending))
            self._runs.append(run)
            self._pending.clear()

    def __iter__(self) -> Iterator[str]:
        """Give all lines, sorted by their characters' numbers, with their ends."""
        for run in self._runs:
            run.seek(0)
        return heapq.merge(*self._runs, sorted(self._pending))
