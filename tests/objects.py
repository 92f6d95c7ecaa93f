"""A local object server: files by range, each answer after some latency, bytes counted."""

import asyncio
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from tests.servers import site

LATENCY = 0.03  # seconds


@dataclass
class Objects:
    """A running server."""

    url: str
    bytes_read: int = 0
    requests: int = 0


@contextmanager
def objects(folder: Path, latency: float = LATENCY) -> Iterator[Objects]:
    """Serve the files of a folder."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(latency)
        path = folder / request.path.lstrip("/")
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
        if asked is None or not path.is_file():
            return web.Response(status=404)
        start, last = map(int, asked.groups())
        with path.open("rb") as handle:
            handle.seek(start)
            data = handle.read(last + 1 - start)
        running.bytes_read += len(data)
        running.requests += 1
        return web.Response(status=206, body=data)

    with site(answer) as server:
        running = Objects(server.url("/").rstrip("/"))
        yield running


def main() -> None:
    """Serve the folder that is named until the input ends; print the address."""
    with objects(Path(sys.argv[1])) as running:
        sys.stdout.write(f"{running.url}\n")
        sys.stdout.flush()
        sys.stdin.read()
        sys.stdout.write(f"{running.bytes_read}\n")


if __name__ == "__main__":
    main()
