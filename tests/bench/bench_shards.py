"""Images read a second from an object server with 30 ms latency: coalesced, many in flight.

The peer is what a loop over `read_range` in sixteen threads makes of it.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from tests.bench.table import Row, compare, report
from wit_builder import storage
from wit_builder.ranges import Piece, read_pieces
from wit_builder.store import write_store_tar

TARS, IMAGES_PER_TAR, IMAGE_BYTES, THREADS = 8, 2_000, 25_000, 16


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, Callable[[], int]]]:
    """Serve a folder from another process; give its address, and what ends it and tells the bytes read."""
    command = [sys.executable, "-m", "tests.objects", str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None

    def end() -> int:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        return int(process.stdout.readline())

    try:
        yield process.stdout.readline().strip(), end
    finally:
        process.stdin.close()
        process.wait()


def write_tars(folder: Path) -> list[Piece]:
    """Write tars of images of about 25 kB; give their places."""
    random = np.random.default_rng(0)
    places = []
    for number in range(TARS):
        tars: list[str] = []
        with write_store_tar(str(folder), f"part-000-{number:05d}", tars) as tar:
            sizes = random.integers(IMAGE_BYTES // 2, 3 * IMAGE_BYTES // 2, IMAGES_PER_TAR)
            located = [tar.append(random.bytes(size), "jpg") for size in sizes.tolist()]
        places += [Piece(tars[0], place.offset, place.size) for place in located]
    return places


def measure(folder: Path, name: str, pieces: list[Piece]) -> Row:
    """Time ours and the peer on the same pieces."""
    used = sum(piece.size for piece in pieces)
    with server(folder) as (url, end):
        started = time.perf_counter()
        assert sum(map(len, read_pieces(url, pieces))) == used
        ours = len(pieces) / (time.perf_counter() - started)
        read = end()
    with server(folder) as (url, _), ThreadPoolExecutor(THREADS) as threads:
        one = partial(read_one, url)
        started = time.perf_counter()
        assert sum(map(len, threads.map(one, pieces))) == used
        peer = len(pieces) / (time.perf_counter() - started)
    return compare(f"{name}; bytes read / used {read / used:.3f}", "images/s", ours, peer, "16 threads")


def read_one(url: str, piece: Piece) -> bytes:
    """Read one piece by itself."""
    return storage.read_range(storage.join(url, piece.file), piece.start, piece.size)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        places = write_tars(Path(name))
        order = np.random.default_rng(1).permutation(len(places)).tolist()
        dense = [places[number] for number in order if number < 2 * IMAGES_PER_TAR]
        sparse = [places[number] for number in order[: len(places) // 10]]
        rows = [
            measure(Path(name), "every image of two tars, mixed", dense),
            measure(Path(name), "one image in ten of eight tars, mixed", sparse),
        ]
    report("images out of an object store with 30 ms latency", rows)


if __name__ == "__main__":
    main()
