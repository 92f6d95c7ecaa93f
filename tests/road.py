"""A tiny world for end-to-end tests: a Wikipedia dump, a web site, a build file."""

import bz2
from pathlib import Path
from typing import Any

import yaml

from tests.images import jpeg

IMAGES = 60
COLOURS = ("red", "green", "blue", "yellow", "black", "white")
_PAGES = 6


def write_dump(path: Path) -> Path:
    """Write an export of three articles, a redirect and a talk page."""
    articles = ["A copy is broken or missing."]
    articles += [f"A {colour} square. The {colour} square is a [[picture]]." for colour in COLOURS]
    texts = ["\n\n".join(articles * 4)] * 3
    pages = [f"<page><title>T{n}</title><ns>0</ns>{_revision(text)}</page>" for n, text in enumerate(texts)]
    pages.append(f'<page><title>R</title><ns>0</ns><redirect title="T0"/>{_revision("#REDIRECT")}</page>')
    pages.append(f"<page><title>Talk:T0</title><ns>1</ns>{_revision('talk')}</page>")
    head = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">'
    path.write_bytes(bz2.compress(f"{head}{''.join(pages)}</mediawiki>".encode()))
    return path


def _revision(text: str) -> str:
    return f'<revision><text xml:space="preserve">{text}</text></revision>'


def site_content() -> dict[str, Any]:
    """Lay out a site: an index, pages of images with alts, the images, and some faults."""
    content: dict[str, Any] = {}
    links = "".join(f'<a href="/page-{page}.html">page {page}</a>' for page in range(_PAGES))
    content["/"] = f"<h1>Squares</h1>{links}<a href='/gone.html'>gone</a>"
    for page in range(_PAGES):
        numbers = range(page, IMAGES, _PAGES)
        images = [f'<img src="/images/{n}.jpg" alt="{_caption(n)}">' for n in numbers]
        content[f"/page-{page}.html"] = "\n".join([*images, *_FAULTS])
    for number in range(IMAGES):
        content[f"/images/{number}.jpg"] = jpeg(number, 80, 64)
    content["/images/copy.jpg"] = content["/images/other-copy.jpg"] = jpeg(0, 80, 64)
    content["/images/broken.jpg"] = jpeg(1)[:300]
    return content


def _caption(number: int) -> str:
    return f"a {COLOURS[number % len(COLOURS)]} square number {number}"


_FAULTS = (
    '<img src="/images/copy.jpg" alt="a copy of the red square">',
    '<img src="/images/other-copy.jpg" alt="a copy of the copy">',  # few texts match it: never over the cap
    '<img src="/images/broken.jpg" alt="a broken square">',
    '<img src="/images/none.jpg" alt="a missing square">',
    '<img src="/images/1.jpg" alt="zzz qqq">',
    '<img src="/images/2.jpg" alt="">',
)


def write_config(folder: Path, seed_url: str, preset: str | None = None) -> Path:
    """Write a build file for the tiny world, its output in FOLDER/out."""
    polite = {"allow_private_networks": True, "requests_per_second": 0.0}
    config: dict[str, Any] = {
        "output": str(folder / "out"),
        "vocab": {
            "dumps": [str(write_dump(folder / "wiki.xml.bz2"))],
            "wordnet": "none",
            "min_count": 3,
            "min_bigram_count": 3,
        },
        "crawl": {"seeds": [seed_url], **polite},
        "balance": {"max_pairs_per_query": 4},
        "fetch": {**polite, "urls_per_item": 20, "max_urls_per_host": 40},
        "shards": {"samples_per_shard": 16, "holdout": 0.2},
    }
    if preset:
        config["train"] = {"preset": preset, "steps": 1, "workers": 0}
    path = folder / "build.yaml"
    path.write_text(yaml.safe_dump(config))
    return path
