"""What a crawl makes of sites that misbehave, and that the others still finish."""

import gzip
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.crawling import links, records, run
from tests.servers import RawHandler, Site, pages, raw, reset, site
from wit_builder.addresses import refused_address
from wit_builder.outcomes import Outcome

Serve = Callable[[], AbstractContextManager[Site]]

SECONDS = 1.0
"""Time per page."""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def by_hand(answer: RawHandler, robots: RawHandler | None = None) -> Serve:
    """Make a site that answers "/" as told, and has no robots.txt unless told."""

    @contextmanager
    def serve() -> Iterator[Site]:
        def handler(connection: socket.socket) -> None:
            if running.requests[-1] != "/robots.txt":
                answer(connection)
            elif robots:
                robots(connection)
            else:
                connection.sendall(NOT_FOUND)

        with raw(handler) as running:
            yield running

    return serve


def endless(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"\r\n")
    while True:
        connection.sendall(b"<p>more</p>" * 5_000)


def drip(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.2)  # slow by nature, never silent for long


def ten_gigabytes(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Content-Length: 10737418240\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65_536)


def endless_rules(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nUser-agent: *\nDisallow: /\n")
    for _ in range(1_600):
        connection.sendall(b"#" * 65_535 + b"\n")  # 100 MB


def plain_text(connection: socket.socket) -> None:
    connection.sendall(b"hello")


def redirects_to(target: str) -> Serve:
    return lambda: pages({"/": web.Response(status=302, headers={"Location": target})})


def bomb() -> AbstractContextManager[Site]:
    packed = gzip.compress(b"<p>" * 10_000_000)
    headers = {"Content-Type": "text/html", "Content-Encoding": "gzip"}
    return pages({"/": web.Response(body=packed, headers=headers)})


async def _calendar(request: web.Request) -> web.Response:
    if request.path == "/robots.txt":
        return web.Response(status=404)
    day = int(request.query.get("day", "0"))
    return web.Response(
        text=links(*(f"/?day={10 * day + more}" for more in range(1, 11))), content_type="text/html"
    )


def calendar() -> AbstractContextManager[Site]:
    return site(_calendar)


@contextmanager
def self_signed() -> Iterator[Site]:
    """Speak TLS with a certificate that no authority has signed."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        key, certificate = Path(folder, "key.pem"), Path(folder, "certificate.pem")
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        secret = ec.generate_private_key(ec.SECP256R1())
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
        made = made.public_key(secret.public_key()).serial_number(1)
        made = made.not_valid_before(datetime(2020, 1, 1)).not_valid_after(datetime(2120, 1, 1))
        certificate.write_bytes(made.sign(secret, hashes.SHA256()).public_bytes(Encoding.PEM))
        key.write_bytes(secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        running = Site(listener.getsockname()[1])

        def talk() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
                        running.requests.append(secure.recv(100).decode())

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        yield running
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@dataclass(frozen=True)
class Fault:
    """A site that misbehaves, and what comes of it."""

    serve: Serve
    outcomes: dict[Outcome, int]
    """Of all its pages that are not kept."""
    pages: int = 0
    most_requests: int = 2
    """Of the crawler, its robots.txt included."""
    truncated: str | None = None
    """WARC-Truncated of its page."""
    scheme: str = "http"


FAULTS = {
    "endless body": Fault(by_hand(endless), {Outcome.TOO_LARGE: 1}, truncated="length"),
    "slow drip": Fault(by_hand(drip), {Outcome.TIMEOUT: 1}, truncated="time"),
    "redirect loop": Fault(redirects_to("/"), {}),
    "redirect to a link-local address": Fault(
        redirects_to("http://169.254.169.254/latest/"), {Outcome.PRIVATE_ADDRESS: 1}
    ),
    "10 GB Content-Length": Fault(by_hand(ten_gigabytes), {Outcome.TOO_LARGE: 1}, truncated="length"),
    "gzip bomb": Fault(bomb, {Outcome.TOO_LARGE: 1}, truncated="length"),
    "no TLS where it is expected": Fault(
        by_hand(plain_text), {Outcome.TLS_FAILED: 1}, scheme="https", most_requests=3
    ),
    "certificate of nobody": Fault(self_signed, {Outcome.TLS_FAILED: 1}, scheme="https", most_requests=0),
    "robots.txt of 100 MB": Fault(
        by_hand(endless, endless_rules), {Outcome.ROBOTS_DISALLOWS: 1}, most_requests=1
    ),
    "infinite calendar": Fault(calendar, {Outcome.HOST_BUDGET: 91}, pages=20, most_requests=21),
    "reset": Fault(by_hand(reset), {Outcome.CONNECTION_RESET: 1}, most_requests=3),  # asked once more
    "robots.txt that is reset": Fault(
        by_hand(endless, reset), {Outcome.CONNECTION_RESET: 1}, most_requests=2
    ),
}
LIMITS: dict[str, Any] = {
    "max_depth": 2,
    "max_pages_per_host": 20,
    "max_bytes": 100_000,
    "timeout_seconds": SECONDS,
    "connections": 32,
    "contact": "me@example.org",
    "same_site": False,
    "allow_private": False,
}


@pytest.fixture
def this_machine_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 127.0.0.1 stand for a public server; every other address is judged as ever."""
    monkeypatch.setattr(
        "wit_builder.connections.refused_address",
        lambda ip: None if ip == "127.0.0.1" else refused_address(ip),
    )


@pytest.mark.usefixtures("this_machine_is_public")
@pytest.mark.parametrize("name", FAULTS)
def test_a_site_that_misbehaves_ends_with_a_reason(tmp_path: Path, name: str) -> None:
    fault = FAULTS[name]
    with fault.serve() as bad, pages({"/": links("/a"), "/a": "x"}) as good:
        started = time.monotonic()
        summary = run(tmp_path, bad.url().replace("http", fault.scheme), good.url(), **LIMITS)
        seconds = time.monotonic() - started
    assert (summary.failures, summary.pages, summary.waiting) == (fault.outcomes, fault.pages + 2, 0)
    assert sorted(good.requests) == ["/", "/a", "/robots.txt"]
    assert len(bad.requests) <= fault.most_requests
    assert seconds < 3 * SECONDS + 2
    if fault.truncated:
        cut = [head for kind, url, _, head in records(tmp_path) if url == bad.url() and kind == "response"]
        assert [head.get("WARC-Truncated") for head in cut] == [fault.truncated]


@pytest.mark.usefixtures("this_machine_is_public")
def test_all_of_them_at_once_keep_no_good_site_waiting(tmp_path: Path) -> None:
    with ExitStack() as stack:
        bad = [(fault, stack.enter_context(fault.serve())) for fault in FAULTS.values()]
        good = stack.enter_context(pages({"/": links(*(f"/{n}" for n in range(20))), "/7": "x"}))
        seeds = [server.url().replace("http", fault.scheme) for fault, server in bad]
        started = time.monotonic()
        summary = run(tmp_path, *seeds, good.url(), **LIMITS)
        seconds = time.monotonic() - started
    assert summary.pages == sum(fault.pages for fault in FAULTS.values()) + 2
    assert len(good.requests) == 22 - 1  # robots.txt, "/" and as many links as its budget allows
    assert seconds < 3 * SECONDS + 4


def test_private_addresses_are_refused_unless_allowed(tmp_path: Path) -> None:
    with pages({"/": "x"}) as server:
        refused = run(tmp_path / "refused", server.url(), allow_private=False)
        assert (refused.pages, refused.failures, server.requests) == (0, {Outcome.PRIVATE_ADDRESS: 1}, [])
        assert run(tmp_path / "allowed", server.url()).pages == 1
