"""Large shard indexes in the user's cache, so that a restart need not read every tar's headers."""

import json
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wit_builder.storage import write_bytes, write_file

WORTH_KEEPING = 50_000
"""Samples: an index of fewer is made again in a few seconds."""


def cache_folder() -> Path:
    """Give the folder of kept indexes: under XDG_CACHE_HOME, or ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "wit-builder" / "shard-index"


def load_kept(name: str) -> tuple[npt.NDArray[np.void], int] | None:
    """Map a kept index into memory: entries, number of incomplete samples; None if there is none."""
    told = cache_folder() / f"{name}.json"  # written last
    if not told.exists():
        return None
    entries = np.load(cache_folder() / f"{name}.npy", mmap_mode="r")
    return entries, int(json.loads(told.read_bytes())["incomplete"])


def keep(name: str, entries: npt.NDArray[np.void], incomplete: int) -> None:
    """Keep an index if it is large."""
    if len(entries) < WORTH_KEEPING:
        return
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with write_file(str(folder / f"{name}.npy")) as handle:
        np.save(handle, entries)
    write_bytes(str(folder / f"{name}.json"), json.dumps({"incomplete": incomplete}).encode())
