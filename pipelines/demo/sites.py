"""The demo's three web sites on 127.0.0.1."""

import errno
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pipelines.demo import galleries
from pipelines.demo.inputs import Inputs
from wit_builder.errors import UserError

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Site:
    """Pages made in memory over a folder of files."""

    name: str
    port: int
    root: Path
    files_under: str
    """URL path under which the folder's files appear."""
    pages: Mapping[str, str] = field(default_factory=dict)
    start: str = "/"

    @property
    def url(self) -> str:
        """Address of the page to start from."""
        return f"http://{HOST}:{self.port}{self.start}"


def make_sites(inputs: Inputs) -> list[Site]:
    """Describe the three sites."""
    clipart = galleries.clipart(inputs.clipart_png, inputs.clipart_svg)
    stamps = galleries.stamps(inputs.stamps)
    return [
        Site("manual", 8801, inputs.manual, "/", start="/en/index.html"),
        Site("clipart", 8802, inputs.clipart_png, "/images/", galleries.pages("Clip art", clipart)),
        Site("stamps", 8803, inputs.stamps, "/images/", galleries.pages("Stamps", stamps)),
    ]


@contextmanager
def serve(sites: list[Site]) -> Iterator[None]:
    """Serve the sites in threads of this process until the block ends.

    Raises:
        UserError: a port is busy.
    """
    servers: list[ThreadingHTTPServer] = []
    try:
        for site in sites:
            servers.append(_open(site))
        for server in servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = socket.SOMAXCONN


def _open(site: Site) -> ThreadingHTTPServer:
    handler: Callable[..., SimpleHTTPRequestHandler] = partial(_Handler, site)
    try:
        return _Server((HOST, site.port), handler)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise UserError(
            f"port {site.port} of {HOST} is busy, but the demo's {site.name} site needs it; "
            "end the program that listens there"
        ) from None


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or every answer waits 40 ms for the acknowledgement of its head

    def __init__(self, site: Site, *arguments: object) -> None:
        self._site = site
        super().__init__(*arguments, directory=str(site.root))  # type: ignore[arg-type]  # BaseServer's own three

    def do_GET(self) -> None:
        """Answer with a page made in memory, or with a file."""
        path = self.path.partition("?")[0]
        page = self._site.pages.get(path)
        if path == "/robots.txt":
            self._answer("text/plain", b"User-agent: *\nAllow: /\n")
        elif page is not None:
            self._answer("text/html; charset=utf-8", page.encode())
        elif path.startswith(self._site.files_under):
            self.path = "/" + path.removeprefix(self._site.files_under)
            super().do_GET()
        else:
            self.send_error(404)

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing of each request."""
