import json
from typing import Any

import pytest

from wit_builder.html import PageFacts, Pair
from wit_builder.records import TextSource
from wit_builder.wat import read_wat


def wat(page: Any, **response: Any) -> bytes:
    described = {**response, "HTML-Metadata": page}
    return json.dumps(
        {"Envelope": {"Payload-Metadata": {"HTTP-Response-Metadata": described}}}, separators=(",", ":")
    ).encode()


def pairs(body: bytes) -> list[Pair]:
    page = read_wat(body)
    return list(page.pairs()) if page else []


LINKS = [
    {"path": "A@/href", "url": "/x", "text": 'say "IMG@/src"'},
    {"path": "IMG@/src", "url": "a.jpg", "alt": 'an "A"', "title": "}"},
    {"path": "IMG@/data-src", "url": "b.jpg", "alt": "a B"},
    {"path": "IMG@/srcset", "url": "s.jpg 1x, c.jpg 2x", "alt": "a C"},
    {"path": "IMG@/longdesc", "url": "d.html"},
]
PAIRS = [
    Pair("a.jpg", 'an "A"', TextSource.ALT),
    Pair("a.jpg", "}", TextSource.TITLE),
    Pair("b.jpg", "a B", TextSource.ALT),
    Pair("c.jpg", "a C", TextSource.ALT),
]


def test_images_that_carry_text() -> None:
    assert pairs(wat({"Links": LINKS})) == PAIRS


def test_links_written_in_another_way_are_read_too() -> None:
    turned = [dict(reversed(link.items())) for link in LINKS]
    assert pairs(wat({"Links": turned})) == PAIRS
    assert pairs(wat({"Links": [{"path": "IMG@/src", "width": 7, "url": "a.jpg", "alt": 12}]})) == [
        Pair("a.jpg", "12", TextSource.ALT)
    ]


def test_open_graph_in_the_head() -> None:
    metas = [{"property": "og:image", "content": "a.jpg"}, {"property": "og:title", "content": "T"}]
    assert pairs(wat({"Head": {"Metas": metas}})) == [Pair("a.jpg", "T", TextSource.OG)]


@pytest.mark.parametrize(
    ("head", "links", "facts"),
    [
        ({"Base": "/b/"}, [], PageFacts("/b/")),
        ({"Metas": [{"name": "robots", "content": "noai"}]}, [], PageFacts(None, "meta robots: noai")),
        ({"Link": [{"path": "LINK@/href", "url": "/l", "rel": "License"}]}, [], PageFacts(None, None, "/l")),
        ({}, [{"path": "A@/href", "url": "/l", "rel": "nofollow license"}], PageFacts(None, None, "/l")),
        (
            {},
            [{"path": "A@/href", "url": "//creativecommons.org/licenses/by/4.0/"}],
            PageFacts(None, None, "//creativecommons.org/licenses/by/4.0/"),
        ),
        ({"Base": None, "Metas": None, "Link": None}, [], PageFacts()),
    ],
)
def test_facts_of_the_head(head: dict[str, Any], links: list[dict[str, str]], facts: PageFacts) -> None:
    page = read_wat(wat({"Head": head, "Links": [*LINKS, *links]}))
    assert page
    assert page.facts("wit-builder") == facts


def test_wrong_bytes_and_half_surrogates_cost_only_themselves() -> None:
    good = wat({"Links": LINKS[1:2]})
    assert pairs(good.replace(b"an ", b"\xff "))[0].text == '\ufffd "A"'
    assert pairs(good.replace(b"an ", b"\\ud800 "))[0].text == '? "A"'


def test_a_page_without_images_is_passed_over() -> None:
    assert read_wat(wat({"Links": LINKS[:0]})) is None
    assert read_wat(wat(None)) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[1]",
        b'{"Envelope": ',
        wat({"Links": LINKS})[:-9],
        wat({"Links": "IMG@/src"}),
        wat({"Links": LINKS}).replace(b'"Links":', b'"Links"'),
        b'"Envelope""HTML-Metadata"IMG@/' + b"[" * 100_000 + b"}",
    ],
)
def test_what_is_no_wat_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match="."):
        read_wat(body)
