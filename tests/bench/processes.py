"""Run a command and see what it took: time, processor time, and the peak memory of its largest process."""

import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_POLL_SECONDS = 0.1
_SESSION, _USER_TIME, _SYSTEM_TIME = 3, 11, 12
"""Fields of /proc/PID/stat behind the command's name."""


@dataclass(frozen=True)
class Usage:
    """What a command and all its processes took."""

    seconds: float
    cpu_seconds: float
    """As far as seen: of a process that ends, up to a tenth of a second is missed."""
    peak_mb: float
    """Largest resident set of any one process."""


def run_measured(command: Sequence[str]) -> Usage:
    """Run a command in a session of its own and watch all processes of it.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    started = time.perf_counter()
    peaks: dict[int, float] = {}
    ticks: dict[int, int] = {}
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            _look(process.pid, peaks, ticks)
            time.sleep(_POLL_SECONDS)  # a peak can only be seen by looking now and then
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    seconds = time.perf_counter() - started
    return Usage(seconds, sum(ticks.values()) / os.sysconf("SC_CLK_TCK"), max(peaks.values()))


def _look(session: int, peaks: dict[int, float], ticks: dict[int, int]) -> None:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError, ValueError):  # a process may end while it is looked at
            fields = (folder / "stat").read_text().rpartition(") ")[2].split()
            if int(fields[_SESSION]) != session:
                continue
            pid = int(folder.name)
            ticks[pid] = int(fields[_USER_TIME]) + int(fields[_SYSTEM_TIME])
            status = (folder / "status").read_text()
            peaks[pid] = int(status.partition("VmHWM:")[2].split()[0]) / 1024
