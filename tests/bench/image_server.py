"""A server of benchmark images, in a process of its own: `python -m tests.bench.image_server FOLDER`.

It prints its port, then answers /NUMBER/NAME with the file NAME, from memory, whatever the number.
"""

import asyncio
import sys
from pathlib import Path

_MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class _Images(asyncio.Protocol):
    def __init__(self, files: dict[bytes, bytes]) -> None:
        self._files = files
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            name = head.split(b" ", 2)[1].rpartition(b"/")[2]
            self._transport.write(self._files.get(name, _MISSING))


async def serve(folder: Path) -> None:
    files = {}
    for path in folder.iterdir():
        body = path.read_bytes()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
        files[path.name.encode()] = head.encode() + body
    server = await asyncio.get_running_loop().create_server(
        lambda: _Images(files), "127.0.0.1", 0, backlog=512
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
