import re
from collections import Counter
from pathlib import Path

import pytest

from tests.vocab.agreement import oracle_text, overlap
from vocab.dump import Page, read_pages, skip_reason
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
        (
            "a <nowiki>&amp; {{x}} <ref></nowiki> b <nowiki>never closed",
            "a & {{x}} <ref> b <nowiki>never closed",
        ),
        ("the ''[[Iliad]]'''s end, '''dog'''s", "the Iliad's end, dogs"),
        ("a [[never [[closed]] b", "a [[never closed b"),
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


def test_the_words_are_those_of_the_parser(enwiki_sample: Path) -> None:
    articles = [page for page in read_pages(str(enwiki_sample)) if isinstance(page, Page)]
    texts = [page.text for page in articles if skip_reason(page) is None]
    ours = Counter(word for text in texts for word in tokenize(plain_text(text)))
    oracle = Counter(word for text in texts for word in tokenize(oracle_text(text)))
    assert 0.99 <= ours.total() / oracle.total() <= 1.01
    assert overlap(ours, oracle, 1_000) >= 0.99
    assert overlap(ours, oracle, 10_000) >= 0.98


HOSTILE = {
    name: sign * (200_000 // len(sign))
    for name, sign in {
        "tables": "{|\n|-\n| a || b\n",
        "closed tables": "{|\n| <a b [[ {{ || x\n|}\n",
        "references": "<ref ",
        "formulas": "<math>",
        "nowiki": "<nowiki>",
        "templates": "{{a|b=",
        "links": "[[a|",
        "file in file": "[[File:a|[[b",
        "tags": "<div><b a='",
        "mixed": "[[a|{{b|<i>''",
        "addresses": "[http://x ",
    }.items()
} | {
    "nested templates": "{{" * 50_000 + "}}" * 50_000,
    "nested links": "[[" * 50_000 + "]]" * 50_000,
    "blanks in a heading": "= a " + " " * 200_000,
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("page", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_page_takes_no_hours(page: str) -> None:
    assert isinstance(plain_text(page), str)


def test_a_piece_that_would_take_the_parser_too_long_is_cleaned_plainly_and_told() -> None:
    told: list[None] = []
    rows = "|-\n| style=x | red <b>dog</b> || [[old <cat\n! head\n" * 4_000
    text = plain_text(f"before\n{{|\n{rows}|}}\nafter", lambda: told.append(None))
    assert len(told) == 1
    assert tokenize(text)[:8] == ["before", "red", "dog", "old", "cat", "head", "red", "dog"]
    assert tokenize(text)[-1] == "after"
    assert not re.search("style|[{|}]", text)
