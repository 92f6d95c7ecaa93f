"""How well a text cleaner agrees with the parser's own tree."""

import re
from collections import Counter
from contextlib import suppress

import mwparserfromhell


def oracle_text(page: str) -> str:
    """Give what strip_code leaves of a page without references, formulas, galleries, files and categories."""
    code = mwparserfromhell.parse(page)
    for tag in code.filter_tags(
        matches=lambda tag: str(tag.tag).lower() in {"ref", "references", "math", "gallery"}
    ):
        with suppress(ValueError):  # it went with the one around it
            code.remove(tag)
    hidden = re.compile(r"\s*(file|image|category|media)\s*:", re.IGNORECASE)
    for link in code.filter_wikilinks(matches=lambda link: hidden.match(str(link.title))):
        with suppress(ValueError):
            code.remove(link)
    return str(code.strip_code())


def overlap(one: Counter[str], other: Counter[str], top: int) -> float:
    """Give the share of the most frequent words that two counts have in common."""
    tops = [sorted(words, key=lambda word: (-words[word], word))[:top] for words in (one, other)]
    return len(set(tops[0]) & set(tops[1])) / top
