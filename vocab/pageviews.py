"""Titles that people look up: Wikimedia's page view files.

Three forms, told apart line by line, the title percent-encoded with underscores for
blanks:

* hourly `pageviews` and `pagecounts`: `project title views bytes`, as in
  `en Albert_Einstein 312 0`; `en.m` is the mobile site of `en`.
* daily or monthly `pageview_complete`: `wiki title page-id access total hours`, as in
  `en.wikipedia Albert_Einstein 736 mobile-web 4200 A12B31…`.
"""

import re
from collections import Counter
from collections.abc import Iterable
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from vocab.entry import Entry
from wit_builder.records import QuerySource

MIN_VIEWS = 70
"""MetaCLIP's threshold, over 26 sampled days."""

_NOT_ARTICLES = re.compile(
    r"(?:(?:user|wikipedia|file|mediawiki|template|help|category|portal|draft|module|book|timedtext)"
    r"(?: talk)?|talk|special|media|image|wp|project) ?:|main page$",
    re.IGNORECASE,
)
_ACCESS = ("desktop", "mobile-web", "mobile-app")
_DISAMBIGUATION = re.compile(r"(?<=\S)\s+\([^()]*\)$")


def count_views(lines: Iterable[bytes], project: str = "en") -> Counter[str]:
    """Sum the views of each article over the lines of one or more files.

    Args:
        lines: as in the files; lines of another form or project are passed over.
        project: language code; its mobile sites count too.

    Returns:
        Views by title as people read it. Other namespaces and the main page are left out.
    """
    begins = tuple(f"{project}{end}".encode() for end in (" ", ".m ", ".zero ", ".wikipedia "))
    views: Counter[str] = Counter()
    for line in lines:
        if not line.startswith(begins):
            continue
        fields = line.decode("utf-8", "replace").split()
        number = _views(fields)
        if number is None:
            continue
        title = canonical_title(unquote(fields[1]))
        if title and not _NOT_ARTICLES.match(title):
            views[title] += number
    return views


def _views(fields: list[str]) -> int | None:
    if len(fields) < 3:
        return None
    place = 2
    if fields[0].endswith(".wikipedia"):  # old lines have no page id
        place = next((place + 1 for place in (2, 3) if place < len(fields) and fields[place] in _ACCESS), 0)
    number = fields[place] if place < len(fields) else ""
    return int(number) if number.isdecimal() else None


def canonical_title(title: str) -> str:
    """Give the one spelling of a title: blanks, no #fragment, the first letter a capital."""
    title = " ".join(title.partition("#")[0].replace("_", " ").split())
    return title[:1].upper() + title[1:]


def select_titles(
    views: pa.Table, min_views: int = MIN_VIEWS, aliases: Iterable[tuple[str, str]] = ()
) -> list[Entry]:
    """Choose the names of the articles that are viewed often.

    What tells articles of one name apart is cut: "Alien (film)" is the query "Alien".

    Args:
        views: by canonical title, in `schemas.NGRAM`.
        min_views: of one article, over all files counted.
        aliases: titles of redirects and the titles that they lead to; those of an
            article that is viewed often are chosen with its views.

    Returns:
        By views, the largest first, then by title; two articles may give one text.
    """
    popular = views.filter(pc.greater_equal(views.column("count"), min_views))
    articles = dict(zip(popular.column("text").to_pylist(), popular.column("count").to_pylist(), strict=True))
    chosen = dict(articles)
    for alias, title in aliases:
        if number := articles.get(canonical_title(title)):
            chosen[canonical_title(alias)] = number
    ordered = sorted((-number, title) for title, number in chosen.items())
    return [Entry(plain_title(title), QuerySource.TITLE, pageviews=-number) for number, title in ordered]


def plain_title(title: str) -> str:
    """Cut the bracket that tells articles of one name apart from the end of a title."""
    return _DISAMBIGUATION.sub("", title)
