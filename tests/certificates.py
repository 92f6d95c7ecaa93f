"""An authority of our own and servers whose certificates are wrong in one way each."""

import asyncio
import datetime
import ipaddress
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers import Site

_NOW = datetime.datetime.now(datetime.UTC)
_YEAR = datetime.timedelta(days=365)


class Authority:
    """Signs certificates of 127.0.0.1; `pem` is what a client has to trust."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = _builder(self._name, self._name, self._key, _NOW - _YEAR, _NOW + _YEAR)
        builder = builder.add_extension(constraints, critical=True).add_extension(usage, critical=True)
        self._certificate = builder.sign(self._key, hashes.SHA256())
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    @contextmanager
    def serve(self, kind: str, body: bytes) -> Iterator[Site]:
        """Serve one body by TLS with a certificate: good, expired, self-signed or wrong-name."""
        context = self._context(kind)
        loop = asyncio.new_event_loop()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        missing = b"HTTP/1.1 404 None\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
            running.requests.append(asked.decode())
            writer.write(head + body if asked.endswith(b".jpg") else missing)
            await writer.drain()
            writer.close()

        loop.set_exception_handler(lambda *_: None)  # handshakes that fail are what is tested
        server = loop.run_until_complete(asyncio.start_server(talk, "127.0.0.1", 0, ssl=context))
        running = Site(server.sockets[0].getsockname()[1])
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            yield running
        finally:
            loop.call_soon_threadsafe(server.close)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()

    def _context(self, kind: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        issuer = name if kind == "self-signed" else self._name
        end = _NOW - datetime.timedelta(days=1) if kind == "expired" else _NOW + _YEAR
        address = "192.0.2.1" if kind == "wrong-name" else "127.0.0.1"
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.IPv4Address(address))])
        builder = _builder(name, issuer, key, _NOW - _YEAR, end).add_extension(names, critical=False)
        signed = builder.sign(key if kind == "self-signed" else self._key, hashes.SHA256())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            chain = Path(folder) / "chain.pem"
            secret = key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            chain.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + secret)
            context.load_cert_chain(chain)
        return context


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    begin: datetime.datetime,
    end: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )
