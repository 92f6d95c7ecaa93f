from pathlib import Path

import mwparserfromhell
import pytest

from vocab import wikitext
from vocab.dump import read_pages
from vocab.wikitext import plain_text
from wit_builder.text import tokenize


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("A '''bold''' and ''slanted'' dog", "A bold and slanted dog"),
        ("a [[dog]], two [[dog]]s, a [[Dog|hound]]", "a dog, two dogs, a hound"),
        ("see [[:Category:Dogs]]", "see Category:Dogs"),
        ("a[[Category:Dogs|*]] b[[File:D.jpg|thumb|A [[dog]] of {{x}}]] c[[ image :D.png]]", "a b c"),
        ("[https://example.org the site] https://example.org/x now", "the site  now"),
        ("one<!-- two --> three<!-- never closed", "one three"),
        ('a<ref>{{cite|t=[[x]]}}</ref> b<ref name="n" /> c<REF group=a>x</ref>', "a b c"),
        ("a <math>x < y</math>b <gallery>\nD.jpg|dog\n</gallery>c", "a b c"),
        ("a {{convert|1|{{x|{{y}}}}}}b {{{1|default}}}c {{#if:{{{a}}}|b}}d", "a b c d"),
        ("fish &amp; chips &eacute; &#233;", "fish & chips é é"),
        ("H<sub>2</sub>O <code>x</code>", "H2O x"),
        ("<nowiki>[[dog]]</nowiki>", "[[dog]]"),
        ("a {{ never closed", "a {{ never closed"),
        ("", ""),
    ],
)
def test_what_a_reader_sees(source: str, text: str) -> None:
    assert plain_text(source) == text


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("== Dogs ==\nBark.", ["Dogs", "Bark."]),
        ("* one\n* two", ["one", "two"]),
        ("red<br>blue", ["red", "blue"]),
        (
            '{| class="wikitable"\n! Name !! Age\n|-\n| Rex || style="x" | 3\n|}',
            ["Name", "Age", "Rex", "3"],
        ),
    ],
)
def test_headings_items_and_cells_have_lines_of_their_own(source: str, lines: list[str]) -> None:
    assert [line.strip() for line in plain_text(source).splitlines() if line.strip()] == lines


def test_the_cuts_before_the_parser_change_no_word(enwiki_sample: Path) -> None:
    pages = {page.title: page.text for page in read_pages(str(enwiki_sample))}
    for title in ("Albedo", "Achilles", "Ampere", "Alabama"):
        tree_only = wikitext._visible(mwparserfromhell.parse(pages[title]))
        assert tokenize(plain_text(pages[title])) == tokenize(tree_only), title
