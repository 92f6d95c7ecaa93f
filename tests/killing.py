"""Kill commands in the middle."""

import os
import signal
import subprocess
from collections.abc import Sequence


def was_killed(command: Sequence[str], after: float | None) -> bool:
    """Run a command, and kill it with all its processes if it has not ended after so many seconds.

    A command that ends must have succeeded; None waits for it.
    """
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        assert process.wait(timeout=after) == 0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False
