"""The loops of two peers, from their described behaviour; run in an environment of their own.

    python candidates_peers.py metaclip|cc2dataset ARCHIVE [PAIRS.json]

metaclip: warcio's iterator, each HTML response parsed whole by selectolax's Modest parser, every
img with src and alt. cc2dataset: fastwarc's iterator over metadata records, simdjson, the links with
path IMG@/src and an alt, urljoin, md5 of text and address.
"""

import hashlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

Pairs = Iterator[tuple[str, str]]


def metaclip(path: str, pages: list[int]) -> Pairs:
    """Yield (src, alt) of a WARC's pages."""
    from selectolax.parser import HTMLParser
    from warcio.archiveiterator import ArchiveIterator

    with open(path, "rb") as handle:
        for record in ArchiveIterator(handle):
            if record.rec_type != "response" or record.http_headers is None:
                continue
            if "text/html" not in (record.http_headers.get_header("Content-Type") or ""):
                continue
            pages[0] += 1
            for node in HTMLParser(record.content_stream().read()).css("img"):
                attributes = node.attributes
                if attributes.get("src") and attributes.get("alt"):
                    yield attributes["src"], attributes["alt"]


def cc2dataset(path: str, pages: list[int]) -> Pairs:
    """Yield (absolute URL, alt) of a WAT's pages."""
    import simdjson
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    with open(path, "rb") as handle:
        for record in ArchiveIterator(handle, record_types=WarcRecordType.metadata, parse_http=False):
            envelope = simdjson.load(record.reader)["Envelope"]
            page = envelope["Payload-Metadata"].get("HTTP-Response-Metadata", {}).get("HTML-Metadata")
            if not page or "Links" not in page:
                continue
            pages[0] += 1
            base = envelope["WARC-Header-Metadata"]["WARC-Target-URI"]
            if "Base" in page.get("Head", {}):
                base = urljoin(base, page["Head"]["Base"])
            for link in page["Links"]:
                if link.get("path") == "IMG@/src" and link.get("alt"):
                    url, text = link["url"], link["alt"]
                    if not url.startswith(("http://", "https://")):
                        url = urljoin(base, url)
                    hashlib.md5((text + url).encode()).hexdigest()
                    yield url, text


def main() -> None:
    """Run a loop, print its rate in pages per second of processor time."""
    pages = [0]
    started = time.process_time()
    pairs = list({"metaclip": metaclip, "cc2dataset": cc2dataset}[sys.argv[1]](sys.argv[2], pages))
    rate = pages[0] / (time.process_time() - started)
    print(json.dumps({"rate": rate, "pages": pages[0], "pairs": len(pairs)}))
    if len(sys.argv) > 3:
        Path(sys.argv[3]).write_text(json.dumps(pairs))


if __name__ == "__main__":
    main()
