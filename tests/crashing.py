"""Run a fetch and its shards, killed again and again: `python -m tests.crashing PAIRS FOLDER KILLS`.

A process of its own, which has imported everything and has no thread: each run is a fork of
it, so that twenty kills do not pay for twenty imports.
"""

import hashlib
import io
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from pipelines import fetch, shards
from pipelines.options import construct
from pipelines.session import Session

_LONGEST = 1.5  # seconds until a kill
_POLITE = {"requests_per_second": 0.0, "allow_private_networks": True, "urls_per_item": 6, "image_size": 32}


def run_fetch(pairs: str, folder: Path) -> None:
    options = {**_POLITE, "pairs": pairs, "output": str(folder / "images")}
    fetch.run(construct(fetch.FetchStageOptions, options), _session())


def run_shards(folder: Path) -> None:
    options = {"store": str(folder / "images"), "output": str(folder / "dataset"), "samples_per_shard": 25}
    shards.run(construct(shards.ShardsOptions, options), _session())


def _session() -> Session:
    return Session(console=Console(file=io.StringIO()))


def kill_until_done(
    work: Callable[[], None], kills: int, dice: random.Random, check: Callable[[], None]
) -> int:
    """Run until it ends by itself, killed at most so many times; give how often it was."""
    killed = 0
    while True:
        child = os.fork()
        if not child:
            status = 1
            try:
                work()
                status = 0
            finally:
                os._exit(status)
        deadline = time.monotonic() + (dice.uniform(0.02, _LONGEST) if killed < kills else 120)
        while (ended := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < deadline:
            time.sleep(0.01)  # there is no wait for a child with a time limit
        if ended[0]:
            assert os.waitstatus_to_exitcode(ended[1]) == 0, "a run failed by itself"
            return killed
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        killed += 1
        check()


def check_tars(store: Path) -> None:
    """See that every tar under its final name is what its name says."""
    for tar in store.glob("part-*.tar"):
        assert tar.stem.rpartition("-")[2] == hashlib.sha256(tar.read_bytes()).hexdigest()[:16], tar


def main(pairs: str, folder: str, kills: str) -> None:
    """Run undisturbed into FOLDER/calm, then killed into FOLDER/rough; print the number of kills."""
    os.cpu_count = lambda: 1  # one worker is the run itself: nothing else to import
    calm, rough, dice = Path(folder) / "calm", Path(folder) / "rough", random.Random(11)
    kill_until_done(lambda: run_fetch(pairs, calm), 0, dice, lambda: None)
    kill_until_done(lambda: run_shards(calm), 0, dice, lambda: None)
    store = rough / "images" / "store"
    killed = kill_until_done(lambda: run_fetch(pairs, rough), int(kills), dice, lambda: check_tars(store))
    killed += kill_until_done(lambda: run_shards(rough), 5, dice, lambda: check_tars(store))
    print(killed)  # noqa: T201 - for the test


if __name__ == "__main__":
    main(*sys.argv[1:])
