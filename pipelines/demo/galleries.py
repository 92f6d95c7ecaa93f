"""Web galleries of the demo's pictures: their own metadata becomes the alt text."""

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

PICTURES_PER_PAGE = 50
_MOST_SHARED = 3
"""A caption that more pictures share says little of any of them: icon themes, patterns."""

_TITLE = re.compile(r"<dc:title>([^<]*)</dc:title>")
_KEYWORD = re.compile(r"<rdf:li>([^<]*)</rdf:li>")


@dataclass(frozen=True)
class Picture:
    """An image file and what its own metadata says of it."""

    path: str
    """Relative to the gallery's root."""
    caption: str


def clipart(png: Path, svg: Path) -> list[Picture]:
    """List the clip art that has a title or keywords in the RDF of its SVG."""
    return _distinctive(_clipart(png, svg))


def _clipart(png: Path, svg: Path) -> Iterator[Picture]:
    for path in sorted(png.rglob("*.png")):
        source = svg / path.relative_to(png).with_suffix(".svg")
        if source.exists():
            caption = svg_caption(source.read_text("utf-8", "replace"))
            if caption:
                yield Picture(path.relative_to(png).as_posix(), caption)


def svg_caption(source: str) -> str:
    """Compose a caption of an SVG's RDF: its title, then its keywords."""
    work = source.partition("<metadata")[2].partition("</metadata>")[0]
    title = _TITLE.search(work)
    words = [title.group(1) if title else "", *_KEYWORD.findall(work)]
    cleaned = [" ".join(html.unescape(word).split()) for word in words]
    return ", ".join(dict.fromkeys(word for word in cleaned if word))


def stamps(root: Path) -> list[Picture]:
    """List the stamps with the English line of the text file beside each."""
    return _distinctive(_stamps(root))


def _stamps(root: Path) -> Iterator[Picture]:
    for path in sorted([*root.rglob("*.png"), *root.rglob("*.jpg")]):
        text = path.with_suffix(".txt")
        if text.exists():
            caption = text.read_text("utf-8", "replace").partition("\n")[0].strip()
            if caption:
                yield Picture(path.relative_to(root).as_posix(), caption)


def _distinctive(pictures: Iterable[Picture]) -> list[Picture]:
    pictures = list(pictures)
    shared = Counter(picture.caption for picture in pictures)
    return [picture for picture in pictures if shared[picture.caption] <= _MOST_SHARED]


def pages(title: str, pictures: Iterable[Picture]) -> Mapping[str, str]:
    """Lay pictures out on HTML pages: one index, then pages of 50 per folder.

    Args:
        title: of the site.
        pictures: their files are served under /images/.

    Returns:
        URL path to HTML.
    """
    by_folder: dict[str, list[Picture]] = {}
    for picture in pictures:
        by_folder.setdefault(picture.path.rpartition("/")[0] or "all", []).append(picture)
    laid_out = {}
    for folder, members in by_folder.items():
        for number, start in enumerate(range(0, len(members), PICTURES_PER_PAGE)):
            name = f"/{folder.replace('/', '-')}-{number + 1}.html"
            laid_out[name] = _page(f"{title}: {folder}", members[start : start + PICTURES_PER_PAGE])
    links = "\n".join(f'<li><a href="{quote(name)}">{html.escape(name[1:-5])}</a></li>' for name in laid_out)
    return {"/": _document(title, f"<ul>\n{links}\n</ul>"), **laid_out}


def _page(title: str, pictures: Iterable[Picture]) -> str:
    figures = [
        f'<p><img src="/images/{quote(picture.path)}" alt="{html.escape(picture.caption)}"></p>'
        for picture in pictures
    ]
    return _document(title, "\n".join(figures))


def _document(title: str, body: str) -> str:
    heading = html.escape(title)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{heading}</title></head>\n'
        f"<body><h1>{heading}</h1>\n{body}\n</body></html>\n"
    )
