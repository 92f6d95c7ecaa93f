"""What the web does to a fetch: each fault and the outcome it must have.

The one table behind `tests/wit_builder/test_faults.py` and docs/faults.md; that page is
written anew by `python -m tests.faults > docs/faults.md`.
"""

import gzip
import io
import socket
import struct
import time
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageCms

from tests.certificates import Authority
from tests.images import jpeg
from tests.servers import RawHandler, Site, raw, reset, unused_port

DOWNLOAD, RESIZE, SUCCESS = "failed_to_download", "failed_to_resize", "success"
GOOD = jpeg(7, 64, 48)
_DRIP_SECONDS = 0.05


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, and what a sample then says."""

    group: str
    does: str
    """What the other side does, in words."""
    status: str
    message: str | None
    """The error_message; None with success."""
    answer: RawHandler | str
    """Answers the image's URL; or the URL itself: no server."""
    routes: Mapping[str, RawHandler] = field(default_factory=dict)
    """Answers other paths; all else there is 404."""
    path: str = "/a.jpg"
    tls: str | None = None
    """Kind of certificate; None: plain HTTP."""
    opt_out: str | None = None
    private: bool = False
    """Asked for without leave to contact private addresses."""


def reply(body: bytes = GOOD, status: str = "200 OK", *headers: str) -> RawHandler:
    """Answer soundly, then close."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return sends("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def sends(
    *pieces: bytes, pause: float = 0.0, repeat: bool = False, then: RawHandler | None = None
) -> RawHandler:
    """Send pieces, the last one without end if told, then do another thing."""

    def handler(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
        while repeat:
            time.sleep(pause)  # slow by nature
            connection.sendall(pieces[-1])
        if then:
            then(connection)

    return handler


def sleeps(_: socket.socket) -> None:
    """Say nothing until the other side has long gone."""
    time.sleep(8)  # slow by nature: the fault is that nothing comes


def leads_to(location: str, *headers: str) -> RawHandler:
    return reply(b"", "302 Found", f"Location: {location}", *headers)


def encoded(image: Image.Image, kind: str, **parameters: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **parameters)
    return file.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, row: bytes) -> bytes:
    """Write an RGB PNG of equal rows."""
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(b"\0" + row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def grain(width: int = 300, height: int = 200) -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8))


def exif_bomb() -> bytes:
    """Write Exif whose directory points to itself and claims four thousand million values."""
    entry = struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<HHII", 0x9286, 7, 0xFFFFFFFF, 8)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entry + struct.pack("<I", 8)


def animation(frames: int) -> bytes:
    pictures = [Image.new("P", (8, 8), n % 250) for n in range(frames)]
    return encoded(pictures[0], "GIF", save_all=True, append_images=pictures[1:], optimize=False)


def typed(body: bytes, kind: str = "image/jpeg") -> RawHandler:
    return reply(body, "200 OK", f"Content-Type: {kind}")


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n"
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PNG = encoded(grain(), "PNG")
BROKEN_CRC = PNG[:60] + bytes([PNG[60] ^ 255]) + PNG[61:]
NO = b"User-agent: *\nDisallow: /\n"


def _transport() -> list[Fault]:
    rows: list[tuple[str, str | None, RawHandler]] = [
        (
            "a byte every twentieth of a second, for ever",
            "timeout",
            sends(HEAD + b"\r\n", b"x", pause=_DRIP_SECONDS, repeat=True),
        ),
        ("a head, then silence", "timeout", sends(HEAD + b"\r\n", then=sleeps)),
        ("no answer at all", "timeout", sleeps),
        (
            "100 Continue again and again, then nothing",
            "timeout",
            sends(b"HTTP/1.1 100 Continue\r\n\r\n" * 50, then=sleeps),
        ),
        ("a body without end", "too_large", sends(HEAD + b"\r\n", b"x" * 65_536, repeat=True)),
        (
            "chunks without end",
            "too_large",
            sends(
                HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
                b"8000\r\n" + b"x" * 0x8000 + b"\r\n",
                repeat=True,
            ),
        ),
        ("a length over the limit", "too_large", sends(HEAD + b"Content-Length: 999999999999\r\n\r\nabc")),
        (
            "gzip that unpacks to 50 MB",
            "too_large",
            reply(gzip.compress(bytes(50_000_000)), "200 OK", "Content-Encoding: gzip"),
        ),
        (
            "gzip that breaks off",
            "incomplete_body",
            reply(gzip.compress(GOOD)[:-9], "200 OK", "Content-Encoding: gzip"),
        ),
        ("gzip in name only", "bad_response", reply(GOOD, "200 OK", "Content-Encoding: gzip")),
        ("an encoding that was not asked for", "bad_response", reply(GOOD, "200 OK", "Content-Encoding: br")),
        ("fewer bytes than said", "incomplete_body", sends(HEAD + b"Content-Length: 99999\r\n\r\n" + GOOD)),
        (
            "chunks that break off",
            "incomplete_body",
            sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\nabc"),
        ),
        (
            "a chunk length that is no number",
            "bad_response",
            sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc"),
        ),
        ("a negative length", "bad_response", sends(HEAD + b"Content-Length: -1\r\n\r\nabc")),
        (
            "more bytes than said",
            "bad_response",
            sends(HEAD + b"Content-Length: 9000\r\nConnection: close\r\n\r\n" + encoded(grain(), "JPEG")),
        ),
        (
            "two lengths that differ",
            "bad_response",
            sends(HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
        ),
        ("a reset instead of an answer", "connection_reset", reset),
        (
            "a reset in the middle of the body",
            "incomplete_body",
            sends(HEAD + b"Content-Length: 99999\r\n\r\nabc", then=_late_reset),
        ),
        ("a close instead of an answer", "connection_reset", sends(b"")),
        ("an HTTP/0.9 answer: a body, no head", "bad_response", sends(GOOD)),
        ("another protocol", "bad_response", sends(b"SSH-2.0-OpenSSH_9.6\r\n")),
        (
            "a header of 100,000 characters",
            "bad_response",
            sends(HEAD + b"X: " + b"a" * 100_000 + b"\r\n\r\n"),
        ),
        ("ten thousand headers", "bad_response", sends(HEAD + b"X: a\r\n" * 10_000 + b"\r\n")),
        (
            "duplicate headers that disagree on the type",
            None,
            reply(GOOD, "200 OK", "Content-Type: image/jpeg", "Content-Type: text/html"),
        ),
        (
            "keep-alive, and a close",
            None,
            sends(HEAD + b"Connection: keep-alive\r\nContent-Length: %d\r\n\r\n" % len(GOOD) + GOOD),
        ),
        (
            "keep-alive, and bytes behind the body",
            "bad_response",
            sends(
                HEAD
                + b"Connection: keep-alive\r\nContent-Length: %d\r\n\r\n" % len(GOOD)
                + GOOD
                + b"HTTP/1.1 junk"
            ),
        ),
    ]
    return [_fault("transport", does, DOWNLOAD, message, answer) for does, message, answer in rows]


def _late_reset(connection: socket.socket) -> None:
    time.sleep(0.2)  # what was sent must arrive first
    reset(connection)


def _fault(group: str, does: str, status: str, message: str | None, answer: RawHandler | str) -> Fault:
    return Fault(group, does, status if message else SUCCESS, message, answer)


def _redirects() -> list[Fault]:
    chain = {f"/{n}": leads_to(f"/{n + 1}") for n in range(10)}
    rows: list[tuple[str, str, RawHandler, Mapping[str, RawHandler]]] = [
        ("a redirect to itself", "too_many_redirects", leads_to("/a.jpg"), {}),
        (
            "a cookie wall: the same address until a cookie comes",
            "too_many_redirects",
            leads_to("/a.jpg", "Set-Cookie: ok=1"),
            {},
        ),
        ("a chain of ten redirects", "too_many_redirects", leads_to("/0"), chain),
        ("a redirect to file:", "unsupported_scheme", leads_to("file:///etc/passwd"), {}),
        ("a redirect to data:", "unsupported_scheme", leads_to("data:image/png;base64,AAAA"), {}),
        ("a redirect to no address", "bad_response", leads_to("http://["), {}),
        ("a redirect to nowhere", "http 302", reply(b"", "302 Found"), {}),
        (
            "a redirect to what robots.txt disallows",
            "robots.txt disallows",
            leads_to("/private/a.jpg"),
            {"/robots.txt": reply(b"User-agent: *\nDisallow: /private")},
        ),
    ]
    return [
        Fault("redirects", does, DOWNLOAD, message, answer, routes) for does, message, answer, routes in rows
    ]


def _addresses() -> list[Fault]:
    bare: list[tuple[str, str, str]] = [
        ("an address without a host", "bad_url", "/relative/a.jpg"),
        ("an address of 9,000 characters", "bad_url", "http://127.0.0.1:{port}/" + "a" * 9_000),
        ("an address in shorthand", "bad_url", "http://127.1/a.jpg"),
        ("another scheme", "unsupported_scheme", "ftp://h.invalid/a.jpg"),
        ("a name that does not resolve", "dns_failed", "http://name.invalid/a.jpg"),
        ("a port where nothing listens", "connect_failed", f"http://127.0.0.1:{unused_port()}/a.jpg"),
    ]
    faults = [Fault("addresses", does, DOWNLOAD, message, url) for does, message, url in bare]
    private = {
        "a loopback address": "http://127.0.0.1:{port}/a.jpg",
        "a name that leads to a private address": "http://localhost:{port}/a.jpg",
        "an IPv4 address mapped into IPv6": "http://[::ffff:127.0.0.1]:{port}/a.jpg",
        "a link-local address of a cloud's metadata": "http://169.254.169.254/latest",
        "a private address": "http://10.0.0.1/a.jpg",
        "a carrier's shared address": "http://100.64.0.1/a.jpg",
    }
    faults += [
        Fault("addresses", does, DOWNLOAD, "private_address", url, private=True)
        for does, url in private.items()
    ]
    tls = {
        "expired": "a certificate that has expired",
        "self-signed": "a certificate that nobody vouches for",
        "wrong-name": "a certificate of another name",
    }
    faults += [
        Fault("addresses", does, DOWNLOAD, "tls_failed", reply(), tls=kind) for kind, does in tls.items()
    ]
    faults.append(
        Fault("addresses", "plain text where TLS is expected", DOWNLOAD, "tls_failed", reply(), tls="none")
    )
    return faults


def _statuses() -> list[Fault]:
    codes = (400, 401, 403, 404, 410, 418, 429, 451, 500, 502, 503, 504, 999)
    faults = [
        _fault("statuses", f"status {code}", DOWNLOAD, f"http {code}", reply(b"no", f"{code} Said"))
        for code in codes
    ]
    later = {"429 Busy": "9999", "503 Busy": "Fri, 31 Dec 2100 23:59:59 GMT"}
    faults += [
        _fault(
            "statuses",
            f"status {status[:3]} and Retry-After: {when}",
            DOWNLOAD,
            f"http {status[:3]}",
            reply(b"", status, f"Retry-After: {when}"),
        )
        for status, when in later.items()
    ]
    return faults


def _content() -> list[Fault]:
    cmyk = encoded(grain().convert("CMYK"), "JPEG")
    rows: list[tuple[str, str | None, RawHandler]] = [
        (
            "204, without a body",
            "not_an_image",
            sends(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
        ),
        ("no bytes", "not_an_image", reply(b"")),
        (
            "a page instead of an image",
            "not_an_image",
            typed(b"<html><body>Log in</body></html>", "text/html"),
        ),
        ("a page that says it is a JPEG", "not_an_image", typed(b"<!doctype html><p>accept cookies")),
        ("JSON", "not_an_image", typed(b'{"error": 1}')),
        ("an SVG", "unsupported_format", typed(b"<svg xmlns='http://www.w3.org/2000/svg'/>")),
        ("an AVIF", "unsupported_format", typed(b"\0\0\0\x1cftypavif" + bytes(100))),
        ("a JPEG that breaks off", "decode_failed", reply(encoded(grain(), "JPEG")[:9_000])),
        ("a PNG that breaks off", "decode_failed", reply(PNG[:20_000])),
        ("a PNG with a wrong checksum", "decode_failed", reply(BROKEN_CRC)),
        ("a WebP that breaks off", "not_an_image", reply(encoded(grain(), "WEBP")[:9_000])),
        ("a GIF that breaks off", "decode_failed", reply(encoded(grain(), "GIF")[:9_000])),
        (
            "a PNG that claims 30,000 x 30,000",
            "too_many_pixels",
            reply(
                PNG[:16]
                + struct.pack(">II", 30_000, 30_000)
                + PNG[24:29]
                + struct.pack(">I", zlib.crc32(b"IHDR" + struct.pack(">II", 30_000, 30_000) + PNG[24:29]))
                + PNG[33:]
            ),
        ),
        (
            "a GIF of 225 megapixels in 160 kB",
            "decode_memory",
            reply(encoded(Image.new("L", (15_000, 15_000)), "GIF")),
        ),
        (
            "a GIF that is also a script",
            "not_an_image",
            reply(b"GIF89a/*\x01\x01\x01\0\0" + b"*/=1;alert(1)//" + bytes(20)),
        ),
        ("a PNG of 144 megapixels in 600 kB", None, reply(png(12_000, 12_000, b"\x20\x90\x40" * 12_000))),
        ("one pixel", None, reply(png(1, 1, b"abc"))),
        ("65,500 x 1 pixels", None, reply(png(65_500, 1, b"abc" * 65_500))),
        ("a PNG named .jpg", None, typed(PNG)),
        ("a JPEG that says it is a page", None, typed(GOOD, "text/html")),
        ("a JPEG with a ZIP behind it", None, reply(GOOD + b"PK\x03\x04" + bytes(500))),
        ("an animation of 10,000 frames", None, reply(animation(10_000))),
        ("a JPEG in CMYK", None, reply(cmyk)),
        ("a broken colour profile", None, reply(encoded(grain(), "JPEG", icc_profile=ICC[:150]))),
        (
            "Exif that points to itself and claims 4 GB",
            None,
            reply(encoded(grain(), "JPEG", exif=exif_bomb())),
        ),
    ]
    return [_fault("content", does, RESIZE, message, answer) for does, message, answer in rows]


def _rights() -> list[Fault]:
    robots: list[tuple[str, str | None, RawHandler]] = [
        ("robots.txt disallows", "robots.txt disallows", reply(NO)),
        (
            "robots.txt that begins with a byte order mark",
            "robots.txt disallows",
            reply(b"\xef\xbb\xbf" + NO),
        ),
        ("robots.txt of 1 MB, the rule first", "robots.txt disallows", reply(NO + b"# comment\n" * 100_000)),
        (
            "robots.txt for our agent alone",
            "robots.txt disallows",
            reply(b"User-agent: wit-builder\nDisallow: /"),
        ),
        ("robots.txt by a redirect", "robots.txt disallows", leads_to("/moved")),
        (
            "robots.txt asks for an hour between requests",
            "robots.txt crawl delay too long",
            reply(b"User-agent: *\nCrawl-delay: 3600"),
        ),
        ("robots.txt with status 500", "robots.txt unreachable", reply(b"", "500 Broken")),
        ("robots.txt with status 429", "robots.txt unreachable", reply(b"", "429 Busy")),
        ("robots.txt that never comes", "robots.txt unreachable", sleeps),
        ("robots.txt that is reset", "robots.txt unreachable", reset),
        ("robots.txt that leads to itself", "robots.txt unreachable", leads_to("/robots.txt")),
        ("robots.txt with status 404", None, reply(b"", "404 None")),
        ("robots.txt with status 403", None, reply(b"", "403 No")),
        ("a page instead of robots.txt", None, reply(b"<html>Disallow: /</html>")),
        ("robots.txt for others", None, reply(b"User-agent: otherbot\nDisallow: /")),
    ]
    faults = [
        Fault(
            "rights",
            does,
            DOWNLOAD if message else SUCCESS,
            message,
            reply(),
            {"/robots.txt": answer, "/moved": reply(NO)},
        )
        for does, message, answer in robots
    ]
    tags = {
        "X-Robots-Tag: noai": "X-Robots-Tag: noai",
        "X-Robots-Tag: nofollow, NoImageAI": "X-Robots-Tag: noimageai",
        "x-robots-tag: noindex": "X-Robots-Tag: noindex",
        "X-Robots-Tag: all\r\nX-Robots-Tag: noimageindex": "X-Robots-Tag: noimageindex",
        "X-Robots-Tag: none": "X-Robots-Tag: none",
        "X-Robots-Tag: Wit-Builder: noai": "X-Robots-Tag: noai",
        "X-Robots-Tag: otherbot: noai": None,
        "X-Robots-Tag: max-snippet:-1": None,
        "TDM-Reservation: 1": "TDM-Reservation",
        "tdm-reservation: 0": None,
    }
    faults += [
        _fault(
            "rights", f"`{line}`".replace("\r\n", "` and `"), DOWNLOAD, message, reply(GOOD, "200 OK", line)
        )
        for line, message in tags.items()
    ]
    tdm: list[tuple[str, str | None, RawHandler]] = [
        (
            "tdmrep.json reserves the path",
            "tdmrep.json reserves",
            reply(b'[{"location": "/*.jpg$", "tdm-reservation": 1}]'),
        ),
        ("tdmrep.json reserves another path", None, reply(b'[{"location": "/b/", "tdm-reservation": 1}]')),
        ("a page instead of tdmrep.json", None, reply(b"<html>")),
        ("tdmrep.json that is reset", None, reset),
    ]
    faults += [
        Fault(
            "rights",
            does,
            DOWNLOAD if message else SUCCESS,
            message,
            reply(),
            {"/.well-known/tdmrep.json": answer},
        )
        for does, message, answer in tdm
    ]
    faults.append(
        Fault(
            "rights",
            "the page that shows the image opts out",
            DOWNLOAD,
            "page opted out",
            reply(),
            opt_out="meta robots: noai",
        )
    )
    return faults


FAULTS: tuple[Fault, ...] = (
    *_transport(),
    *_redirects(),
    *_addresses(),
    *_statuses(),
    *_content(),
    *_rights(),
)


def start(fault: Fault, stack: ExitStack, authority: Authority) -> tuple[str, Site | None]:
    """Start the other side of a fault; give the image's URL and the server, if there is one."""
    if isinstance(fault.answer, str) and "{port}" not in fault.answer:
        return fault.answer, None
    answer = reply() if isinstance(fault.answer, str) else fault.answer
    routes = {fault.path: answer, **fault.routes}
    if fault.tls and fault.tls != "none":
        site = stack.enter_context(authority.serve(fault.tls, GOOD))
    else:
        site = stack.enter_context(raw(reply(b"", "404 None"), routes))
    if isinstance(fault.answer, str):
        return fault.answer.format(port=site.port), site
    return site.url(fault.path).replace("http:", "https:" if fault.tls else "http:"), site


def table() -> str:
    """Write docs/faults.md."""
    lines = [
        "# What the web does, and what a sample then says",
        "",
        f"{len(FAULTS)} faults, each played on 127.0.0.1 by `tests/wit_builder/test_faults.py` and run",
        "through the whole fetch. This page is written by `python -m tests.faults > docs/faults.md`.",
    ]
    for group in dict.fromkeys(fault.group for fault in FAULTS):
        lines += [
            "",
            f"## {group.capitalize()}",
            "",
            "| the other side | status | error_message |",
            "|---|---|---|",
        ]
        lines += [
            f"| {fault.does} | {fault.status} | {fault.message or ''} |"
            for fault in FAULTS
            if fault.group == group
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())  # noqa: T201 - its purpose
