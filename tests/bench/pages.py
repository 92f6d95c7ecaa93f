"""Real pages for benchmarks: Debian's HTML manuals, served here and written down by `wget --warc-file`.

Made once into ~/.cache/wit-builder/pages: `pages.warc.gz`, a gzip member a record, and the
WAT that describes the same pages.
"""

import gzip
import json
import os
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

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
_LINKED = {"a": "href", "img": "src", "link": "href", "script": "src", "iframe": "src"}


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
    """Give the WAT of a WARC, shaped as Common Crawl's; made if it is not there."""
    done = warc.with_name(warc.name.replace(".warc.gz", ".warc.wat.gz"))
    if not done.exists():
        making = done.with_suffix(".tmp")
        with warc.open("rb") as pages, making.open("wb") as wat:
            for record in ArchiveIterator(pages):
                if record.rec_type == "response" and record.http_headers:
                    kind = record.http_headers.get_header("Content-Type") or ""
                    if kind.startswith("text/html"):
                        wat.write(_wat_record(record))
        os.replace(making, done)
    return done


def _wat_record(record: Any) -> bytes:
    url = record.rec_headers.get_header("WARC-Target-URI")
    tree = LexborHTMLParser(record.content_stream().read())
    html = {
        "Head": {
            "Metas": [_named(node, ("name", "property", "content")) for node in tree.css("meta")],
            "Title": "".join(node.text() for node in tree.css("title")[:1]),
            "Link": [
                {"path": "LINK@/href", "url": link.attributes["href"], **_named(link, ("rel", "type"))}
                for link in tree.css("link[href]")
            ],
        },
        "Links": [_link(node) for node in tree.css("a[href], img[src], iframe[src]")],
    }
    envelope = {
        "Container": {"Filename": "pages.warc.gz", "Compressed": True, "Offset": "0"},
        "Envelope": {
            "WARC-Header-Metadata": dict(record.rec_headers.headers),
            "Payload-Metadata": {
                "Actual-Content-Type": "application/http; msgtype=response",
                "HTTP-Response-Metadata": {
                    "Response-Message": {"Status": "200", "Version": "HTTP/1.1", "Reason": "OK"},
                    "Headers": dict(record.http_headers.headers),
                    "HTML-Metadata": html,
                },
            },
        },
    }
    body = json.dumps(envelope, separators=(",", ":")).encode()
    lines = (
        "WARC/1.0",
        "WARC-Type: metadata",
        f"WARC-Target-URI: {url}",
        f"WARC-Date: {record.rec_headers.get_header('WARC-Date')}",
        f"WARC-Record-ID: {record.rec_headers.get_header('WARC-Record-ID')}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return gzip.compress("\r\n".join(lines).encode() + b"\r\n\r\n" + body + b"\r\n\r\n", 6)


def _named(node: LexborNode, names: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name in names if (value := node.attributes.get(name))}


def _link(node: LexborNode) -> dict[str, str]:
    tag = str(node.tag)
    attribute = _LINKED[tag]
    link = {"path": f"{tag.upper()}@/{attribute}", "url": node.attributes[attribute] or ""}
    text = node.text(strip=True)[:100] if tag == "a" else ""
    return {**link, **_named(node, ("alt", "title", "rel")), **({"text": text} if text else {})}
