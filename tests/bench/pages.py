"""Real pages for benchmarks: Debian's HTML manuals, served here and written down by `wget --warc-file`.

Made once into ~/.cache/wit-builder/pages: `pages.warc.gz`, a gzip member a record, and the
WAT that describes the same pages.
"""

import gzip
import hashlib
import json
import os
import subprocess
import threading
from base64 import b32encode
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from selectolax.lexbor import LexborHTMLParser, LexborNode
from warcio.archiveiterator import ArchiveIterator

CACHE = Path.home() / ".cache/wit-builder/pages"
PACKAGES = (
    "gimp-help-en",
    "kicad-doc-en",
    "postgresql-doc-15",
    "python3.11-doc",
    "qtbase5-doc-html",
    "qtdeclarative5-doc-html",
    "qtmultimedia5-doc-html",
)
_LINKED = {"a": "href", "img": "src", "link": "href", "script": "src", "iframe": "src", "form": "action"}


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def make_warc() -> Path:
    """Give the WARC of all pages of the manuals; made if it is not there."""
    done = CACHE / "pages.warc.gz"
    if not done.exists():
        manuals = CACHE / "manuals"
        manuals.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", *PACKAGES], cwd=CACHE, check=True)
        for package in CACHE.glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(package), str(manuals)], check=True)
        _serve_and_save(manuals, done)
    return done


def _serve_and_save(folder: Path, done: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pages = sorted(path for path in folder.rglob("*.htm*") if path.is_file() and not path.is_symlink())
    urls = "".join(
        f"http://127.0.0.1:{server.server_port}/{quote(str(page.relative_to(folder)))}\n" for page in pages
    )
    command = ["wget", "-q", "-i", "-", "-O", "/dev/null", "--warc-file", str(done).removesuffix(".warc.gz")]
    # Its own temporary file is all it writes beside the WARC; what is not there does not matter.
    subprocess.run(command, input=urls.encode(), cwd=folder, check=False)
    server.shutdown()


def make_wat(warc: Path) -> Path:
    """Give the WAT of a WARC, written as Common Crawl's are, requests too; made if it is not there."""
    done = warc.with_name(warc.name.replace(".warc.gz", ".full.warc.wat.gz"))
    if not done.exists():
        making = done.with_suffix(".tmp")
        with warc.open("rb") as pages, making.open("wb") as wat:
            for record in ArchiveIterator(pages):
                if record.rec_type in ("request", "response") and record.http_headers:
                    wat.write(_wat_record(record))
        os.replace(making, done)
    return done


def _wat_record(record: Any) -> bytes:
    body = record.content_stream().read()
    length = str(len(body))
    http: dict[str, Any] = {
        "Headers": dict(record.http_headers.headers),
        "Headers-Length": str(len(record.http_headers.to_bytes())),
        "Entity-Length": length,
        "Entity-Trailing-Slop-Length": "0",
        "Entity-Digest": f"sha1:{b32encode(hashlib.sha1(body).digest()).decode()}",
    }
    if record.rec_type == "request":
        method, path, version = record.http_headers.to_str().split("\r\n", 1)[0].split(" ")
        http["Request-Message"] = {"Method": method, "Path": path, "Version": version}
    else:
        http["Response-Message"] = {"Status": "200", "Version": "HTTP/1.1", "Reason": "OK"}
        if (record.http_headers.get_header("Content-Type") or "").startswith("text/html"):
            http["HTML-Metadata"] = _html_metadata(LexborHTMLParser(body))
    envelope = {
        "Format": "WARC",
        "WARC-Header-Length": str(len(record.rec_headers.to_bytes())),
        "Block-Digest": record.rec_headers.get_header("WARC-Block-Digest"),
        "Actual-Content-Length": record.rec_headers.get_header("Content-Length"),
        "WARC-Header-Metadata": dict(record.rec_headers.headers),
        "Payload-Metadata": {
            "Trailing-Slop-Length": "4",
            "Actual-Content-Type": f"application/http; msgtype={record.rec_type}",
            f"HTTP-{record.rec_type.title()}-Metadata": http,
        },
    }
    packed = {
        "Inflated-Length": length,
        "Footer-Length": "8",
        "Deflate-Length": length,
        "Header-Length": "10",
    }
    container = {
        "Filename": "pages.warc.gz",
        "Compressed": True,
        "Offset": "0",
        "Gzip-Metadata": packed,
    }
    return _metadata_record(record, {"Container": container, "Envelope": envelope})


def _metadata_record(record: Any, described: dict[str, Any]) -> bytes:
    body = json.dumps(described, separators=(",", ":"), ensure_ascii=False).encode()
    lines = (
        "WARC/1.0",
        "WARC-Type: metadata",
        f"WARC-Target-URI: {record.rec_headers.get_header('WARC-Target-URI')}",
        f"WARC-Date: {record.rec_headers.get_header('WARC-Date')}",
        f"WARC-Record-ID: <urn:uuid:{uuid5(NAMESPACE_URL, record.rec_headers.get_header('WARC-Record-ID'))}>",
        f"WARC-Refers-To: {record.rec_headers.get_header('WARC-Record-ID')}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return gzip.compress("\r\n".join(lines).encode() + b"\r\n\r\n" + body + b"\r\n\r\n", 6)


def _html_metadata(tree: LexborHTMLParser) -> dict[str, Any]:
    return {
        "Head": {
            "Title": "".join(node.text() for node in tree.css("title")[:1]),
            "Link": [
                {"path": "LINK@/href", "url": link.attributes["href"], **_named(link, ("rel", "type"))}
                for link in tree.css("link[href]")
            ],
            "Scripts": [_link(node) for node in tree.css("script[src]")],
            "Metas": [_named(node, ("name", "property", "content")) for node in tree.css("meta")],
        },
        "Links": [_link(node) for node in tree.css("a[href], img[src], iframe[src], form[action]")],
    }


def _named(node: LexborNode, names: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name in names if (value := node.attributes.get(name))}


def _link(node: LexborNode) -> dict[str, str]:
    tag = str(node.tag)
    attribute = _LINKED[tag]
    link = {"path": f"{tag.upper()}@/{attribute}", "url": node.attributes[attribute] or ""}
    text = node.text(strip=True)[:100] if tag == "a" else ""
    return {
        **link,
        **_named(node, ("alt", "title", "rel", "target", "type", "method")),
        **({"text": text} if text else {}),
    }
