"""Local servers for tests: a site with pages, and a raw socket that misbehaves as told."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
RawHandler = Callable[[socket.socket], None]
"""Is given the connection once a request's head has been read; closing is done for it."""


@dataclass
class Site:
    """A running server and what it was asked."""

    port: int
    requests: list[str] = field(default_factory=list)
    """Path and query of each request, in order of arrival."""
    headers: list[dict[str, str]] = field(default_factory=list)

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@contextmanager
def site(handler: Handler) -> Iterator[Site]:
    """Serve by aiohttp in a thread, on a free port of 127.0.0.1."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    running = Site(listener.getsockname()[1])
    loop = asyncio.new_event_loop()

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(request, web.BaseRequest)
        running.requests.append(request.path_qs)
        running.headers.append(dict(request.headers))
        return await handler(request)  # type: ignore[arg-type]

    async def start() -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(serve), shutdown_timeout=0)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        return runner

    runner = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextmanager
def pages(content: dict[str, web.Response | str | bytes]) -> Iterator[Site]:
    """Serve fixed answers by path and query; a str is HTML, bytes are a JPEG; all else is 404."""

    async def answer(request: web.Request) -> web.StreamResponse:
        found = content.get(request.path_qs)
        if isinstance(found, str):
            return web.Response(text=found, content_type="text/html")
        if isinstance(found, bytes):
            return web.Response(body=found, content_type="image/jpeg")
        if found is None:
            return web.Response(status=404, text="no such page")
        return web.Response(status=found.status, headers=found.headers, body=found.body)

    with site(answer) as running:
        yield running


@contextmanager
def raw(handler: RawHandler, routes: Mapping[str, RawHandler] | None = None) -> Iterator[Site]:
    """Serve by hand: `handler`, or the one of the path, writes what bytes it likes to each connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    running = Site(listener.getsockname()[1])
    open_sockets: list[socket.socket] = []

    def talk(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head and not head.startswith(b"\x16"):  # TLS hello
                received = connection.recv(65536)
                if not received:
                    return
                head += received
            path = head.split(b" ")[1].decode(errors="replace")
            running.requests.append(path)
            (routes or {}).get(path, handler)(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                open_sockets.append(connection)
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in open_sockets:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def reset(connection: socket.socket) -> None:
    """Break the connection off with a reset instead of an answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def unused_port() -> int:
    """Give a port of 127.0.0.1 where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
