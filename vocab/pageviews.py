"""Titles that people look up: Wikimedia's hourly page view files.

A line is `project title views bytes`, the title percent-encoded, with underscores
for blanks: `en Albert_Einstein 312 0`. `en.m` is the mobile site of `en`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from vocab.entry import Entry
from wit_builder.records import QuerySource

MIN_VIEWS = 70
"""MetaCLIP's threshold, over 26 sampled days."""

_NOT_ARTICLES = re.compile(
    r"(?:(?:user|wikipedia|file|mediawiki|template|help|category|portal|draft|module|book|timedtext)"
    r"(?: talk)?|talk|special|media|image|wp|project) ?:|main page$",
    re.IGNORECASE,
)
_DISAMBIGUATION = re.compile(r"(?<=\S)\s+\([^()]*\)$")


def count_views(lines: Iterable[str], project: str = "en") -> Counter[str]:
    """Sum the views of each article over the lines of one or more hourly files.

    Args:
        lines: as in the files; lines of another form are passed over.
        project: language code; its mobile site counts too.

    Returns:
        Views by title as people read it. Other namespaces and the main page are left out.
    """
    views: Counter[str] = Counter()
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3 or fields[0] not in (project, f"{project}.m") or not fields[2].strip().isdecimal():
            continue
        title = unquote(fields[1]).replace("_", " ").strip()
        if not _NOT_ARTICLES.match(title):
            views[title] += int(fields[2])
    return views


def popular_titles(views: Mapping[str, int], min_views: int = MIN_VIEWS) -> list[Entry]:
    """Choose the names of the articles that are viewed often.

    What tells articles of one name apart is cut: "Alien (film)" is the query "Alien".

    Args:
        views: by title.
        min_views: of one article, over all files counted.

    Returns:
        By views, the largest first, then by title; two articles may give one text.
    """
    chosen = sorted((-n, title) for title, n in views.items() if n >= min_views)
    return [Entry(plain_title(title), QuerySource.TITLE, pageviews=-n) for n, title in chosen]


def plain_title(title: str) -> str:
    """Cut the bracket that tells articles of one name apart from the end of a title."""
    return _DISAMBIGUATION.sub("", title)
