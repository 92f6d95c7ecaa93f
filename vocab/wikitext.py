"""Wikitext -> the words a reader sees.

Two steps, the fast one first: regular expressions cut what is no text and needs
no grammar (comments, references, formulas, innermost templates, again and again
until none is left); mwparserfromhell parses the rest, and one walk over its
tree collects the visible text. The cuts give the words that the tree alone gives,
but on the few pages where a template inside a reference or a table misleads the
parser, and more than double the speed: templates cost the parser most.
"""

import re

import mwparserfromhell
from mwparserfromhell.nodes import ExternalLink, Heading, HTMLEntity, Node, Tag, Text, Wikilink
from mwparserfromhell.wikicode import Wikicode

_INVISIBLE_TAGS = (
    "categorytree|ce|chem|gallery|graph|hiero|imagemap|inputbox|mapframe|math|ref|references|score|section"
    "|source|syntaxhighlight|templatedata|templatestyles|timeline"
)
_BLOCK_TAGS = "blockquote|br|caption|center|dd|div|dl|dt|h[1-6]|hr|li|ol|p|poem|pre|table|td|th|tr|ul"
_HIDDEN_LINK = re.compile(r"\s*(?:file|image|category|media)\s*:", re.IGNORECASE)

_NO_TEXT = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<ref\b[^<>]*/>"
    rf"|<({_INVISIBLE_TAGS})\b[^<>]*(?<!/)>.*?</\1\s*>",
    re.IGNORECASE | re.DOTALL,
)
_INNERMOST_TEMPLATE = re.compile(r"\{\{\{[^{}]*\}\}\}|\{\{[^{}]*\}\}")


def plain_text(wikitext: str) -> str:
    """Give the text of a page without its markup.

    Kept: running text, headings, list items, table cells, the shown side of
    links. Gone: templates, references, formulas, galleries, code blocks, files
    with their captions, categories, bare addresses. Paragraphs, list items and
    cells are on lines of their own.
    """
    return _visible(mwparserfromhell.parse(_without_templates(_NO_TEXT.sub("", wikitext))))


def _without_templates(wikitext: str) -> str:
    found = 1
    while found:
        wikitext, found = _INNERMOST_TEMPLATE.subn("", wikitext)
    return wikitext


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
