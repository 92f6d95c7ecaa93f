"""Wikitext -> the words a reader sees.

Two steps, the fast one first. Regular expressions cut what is certain and needs no
grammar: comments, references, formulas, templates and links from the inside out,
plain tags, quotes, headings, tables that hold nothing else. What is left of markup
(tables in tables, and what is not closed) is parsed by mwparserfromhell, and a walk
over its tree collects the visible text. The words are those of the tree of the whole
page, many times as fast: templates, links and cells cost the parser most.

The parser's time grows with the product of a text's length and its openings where
these are not closed, up to hours on a hostile page. A piece where that product is
large is cleaned by regular expressions alone. The limit is on that product and not
on the clock, so that every machine gets the same words.
"""

import functools
import html
import re
from collections.abc import Callable, Iterator

import mwparserfromhell
from mwparserfromhell.nodes import ExternalLink, Heading, HTMLEntity, Node, Tag, Text, Wikilink
from mwparserfromhell.wikicode import Wikicode

MAX_WORK = 40_000_000
"""Characters times openings of a piece given to the parser: at worst some 20 seconds, of
a sound table of 1,000 rows and 20 kB a fraction of one."""

_INVISIBLE_TAGS = (
    "categorytree|ce|chem|gallery|graph|hiero|imagemap|inputbox|mapframe|math|ref|references|score|section"
    "|source|syntaxhighlight|templatedata|templatestyles|timeline"
)
_BLOCK_TAGS = "blockquote|br|caption|center|dd|div|dl|dt|h[1-6]|hr|li|ol|p|poem|pre|table|td|th|tr|ul"
_INLINE_TAGS = (
    "abbr|b|bdi|big|cite|code|del|em|font|i|includeonly|ins|kbd|noinclude|onlyinclude|q|s|samp|small|span"
    "|strike|strong|sub|sup|tt|u|var|wbr"
)
_HIDDEN = r"\s*(?:file|image|category|media)\s*:"
_HIDDEN_LINK = re.compile(_HIDDEN, re.IGNORECASE)

_NOWIKI = re.compile(r"<(nowiki)\s*>", re.IGNORECASE)
_SIGNS = "[]{}|<>'="
_HIDE_SIGNS = {ord(sign): chr(0xE000 + number) for number, sign in enumerate(_SIGNS)}  # private use
_HIDDEN_SIGN = re.compile("[\ue000-\ue00f]")
_SHOW_SIGNS = {ord(hidden): chr(sign) for sign, hidden in _HIDE_SIGNS.items()}

_COMMENT_OR_EMPTY_REF = re.compile(r"<!--.*?(?:-->|\Z)|<ref\b[^<>]*/>", re.IGNORECASE | re.DOTALL)
_INVISIBLE = re.compile(rf"<({_INVISIBLE_TAGS})\b[^<>]*(?<!/)>", re.IGNORECASE)
_INNERMOST_TEMPLATE = re.compile(r"\{\{\{[^{}]*\}\}\}|\{\{[^{}]*\}\}")
_INNERMOST_LINK = re.compile(
    rf"\[\[(?:{_HIDDEN}[^\[\]]*|(?P<title>[^\[\]{{}}|<>\n]*)(?:\|(?P<shown>[^\[\]|]*))?)\]\]", re.IGNORECASE
)
_NAMED_ADDRESS = re.compile(r"\[(?:[a-z]+:)?//[^\s\]\[<>\"]*(?:[ \t]+([^\[\]\n]*))?\]", re.IGNORECASE)
_BARE_ADDRESS = re.compile(r"\b(?:https?|ftp)://[^\s\[\]<>\"|]*", re.IGNORECASE)
_BLOCK_TAG = re.compile(rf"</?(?:{_BLOCK_TAGS})\b[^<>]*>", re.IGNORECASE)
_INLINE_TAG = re.compile(rf"</?(?:{_INLINE_TAGS})\b[^<>]*>", re.IGNORECASE)
_ITALIC_POSSESSIVE = re.compile(r"(?<!')''([^'\n]+)'''(?=s\b)")
_QUOTES = re.compile("''+")
_LIST_MARK = re.compile(r"^[*#:;]+", re.MULTILINE)
_HEADING = re.compile(r"^(={1,6})(.+)\1[ \t]*$", re.MULTILINE)

_TABLE = re.compile(r"^[ \t]*\{\|", re.MULTILINE)
_TABLE_END = re.compile(r"^[ \t]*\|\}", re.MULTILINE)
_LEFT_OVER = re.compile(r"\[\[|\{\{|\{\||<[a-z/]", re.IGNORECASE)
_OPENING = re.compile(r"\[|\{|<|\|\||!!|^[ \t:*]*[|!]|''", re.MULTILINE)
# A line that is no cell, or the begin of a cell with its attributes.
_TABLE_MARKUP = re.compile(
    r"^[ \t]*(?:\{\||\|-|\|\}).*$|(?:^[ \t]*(?:\|\+?|!)|\|\||!!)(?:[^|\n]*\|(?!\|))?", re.MULTILINE
)
_ANY_TAG = re.compile(r"<[^<>]*>")
_DEPTH = 40
"""Levels of templates in templates, and of links in links, that are cut; MediaWiki expands 40."""

TooMuchWork = Callable[[], None]
EndOf = Callable[[re.Match[str]], re.Pattern[str]]


def plain_text(wikitext: str, too_much_work: TooMuchWork = lambda: None) -> str:
    """Give the text of a page without its markup.

    Kept: running text, headings, list items, table cells, the shown side of
    links. Gone: templates, references, formulas, galleries, code blocks, files
    with their captions, categories, bare addresses. Paragraphs, list items and
    cells are on lines of their own.

    Args:
        wikitext: of one page.
        too_much_work: called for every piece that the parser is spared.
    """
    shown = "".join(between + _hide_signs(nowiki) for between, nowiki in _split(wikitext, _NOWIKI, _end_tag))
    parts = _split(_without_certain_markup(shown), _TABLE, lambda _: _TABLE_END)
    text = "".join(
        _paragraphs(between, too_much_work) + _table(table, too_much_work) for between, table in parts
    )
    return _HIDDEN_SIGN.sub(lambda sign: sign[0].translate(_SHOW_SIGNS), html.unescape(text))


def _split(text: str, begin: re.Pattern[str], end_of: EndOf) -> Iterator[tuple[str, str]]:
    """Split a text at what begins and ends: pairs of what is between and the span, the last one empty.

    Linear: an end that is missing is not looked for again from every later begin.
    """
    missing: set[re.Pattern[str]] = set()
    done = at = 0
    while found := begin.search(text, at):
        at, end = found.end(), end_of(found)
        closed = None if end in missing else end.search(text, at)
        if closed is None:
            missing.add(end)
        else:
            at = closed.end()
            yield text[done : found.start()], text[found.start() : at]
            done = at
    yield text[done:], ""


def _end_tag(tag: re.Match[str]) -> re.Pattern[str]:
    return _end_tag_of(tag[1].lower())


@functools.cache
def _end_tag_of(name: str) -> re.Pattern[str]:
    return re.compile(rf"</{name}\s*>", re.IGNORECASE)


def _hide_signs(nowiki: str) -> str:
    return nowiki[nowiki.find(">") + 1 : nowiki.rfind("<")].translate(_HIDE_SIGNS)


def _without_certain_markup(wikitext: str) -> str:
    text = _COMMENT_OR_EMPTY_REF.sub("", wikitext)
    text = "".join(between for between, _ in _split(text, _INVISIBLE, _end_tag))
    text = _repeat(_INNERMOST_TEMPLATE, "", text)
    text = _repeat(_INNERMOST_LINK, _shown_side, text)
    text = _NAMED_ADDRESS.sub(lambda found: found[1] or "", text)
    if "://" in text:
        text = _BARE_ADDRESS.sub("", text)
    text = _INLINE_TAG.sub("", _BLOCK_TAG.sub("\n", text))
    if "'''s" in text:
        text = _ITALIC_POSSESSIVE.sub(r"\1'", text)
    text = _QUOTES.sub("", text)
    return _LIST_MARK.sub("", _HEADING.sub(r"\n\2\n", text))


def _repeat(pattern: re.Pattern[str], replacement: str | Callable[[re.Match[str]], str], text: str) -> str:
    for _ in range(_DEPTH):
        text, found = pattern.subn(replacement, text)
        if not found:
            break
    return text


def _shown_side(link: re.Match[str]) -> str:
    return (link["shown"] or link["title"] or "").removeprefix(":")


def _paragraphs(text: str, too_much_work: TooMuchWork) -> str:
    if not _LEFT_OVER.search(text):
        return text
    paragraphs = text.split("\n\n")
    return "\n\n".join(
        _parsed(paragraph, too_much_work) if _LEFT_OVER.search(paragraph) else paragraph
        for paragraph in paragraphs
    )


def _table(text: str, too_much_work: TooMuchWork) -> str:
    if _LEFT_OVER.search(text, text.find("{|") + 2):
        return _parsed(text, too_much_work)
    return _TABLE_MARKUP.sub("\n", text)


def _parsed(text: str, too_much_work: TooMuchWork) -> str:
    if len(text) * len(_OPENING.findall(text)) > MAX_WORK:
        too_much_work()
        return _ANY_TAG.sub("", _TABLE_MARKUP.sub("\n", text))
    return _visible(mwparserfromhell.parse(text))


def _visible(code: Wikicode | None) -> str:
    return "".join(map(_node_text, code.nodes)) if code is not None else ""


def _node_text(node: Node) -> str:
    match node:
        case Text():
            return str(node.value)
        case Wikilink():
            return _link_text(node)
        case HTMLEntity():
            return str(node.normalize())
        case Heading():
            return f"\n{_visible(node.title)}\n"
        case ExternalLink():
            return _visible(node.title)
        case Tag():
            return _tag_text(node)
    return ""  # Template, Argument, Comment


def _link_text(link: Wikilink) -> str:
    if _HIDDEN_LINK.match(str(link.title)):
        return ""
    shown = _visible(link.text) or _visible(link.title)
    return shown.removeprefix(":")


def _tag_text(tag: Tag) -> str:
    name = str(tag.tag).strip().lower()
    if re.fullmatch(_INVISIBLE_TAGS, name):
        return ""
    line = "\n" if re.fullmatch(_BLOCK_TAGS, name) else ""
    return f"{line}{_visible(tag.contents)}{line}"
