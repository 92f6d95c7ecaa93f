import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wit_builder.html import PageFacts, Pair
from wit_builder.records import TextSource
from wit_builder.wat import WatPage, read_wat


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


_PATHS = st.sampled_from(["IMG@/src", "IMG@/data-src", "IMG@/longdesc", "A@/href", "FORM@/action"])
_WORDS = st.lists(
    st.sampled_from(
        [
            '"',
            "\\",
            '"}]',
            '{"path":"IMG@/src"}',
            '"Links":[',
            "License",
            "//creativecommons.org/",
            "x",
            "é",
            "]",
        ]
    ),
    max_size=3,
).map("".join)
_VALUES = st.one_of(_WORDS, st.integers(0, 9), st.none(), st.lists(st.dictionaries(st.just("a"), _WORDS)))
_LINKS = st.lists(
    st.tuples(
        _PATHS, st.dictionaries(st.sampled_from(["url", "alt", "title", "text"]), st.one_of(_WORDS, _VALUES))
    ).map(lambda link: {"path": link[0], **link[1]})
)
_HEAD = st.dictionaries(st.sampled_from(["Base", "Title", "x"]), _WORDS)


def by_full_decode(links: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Read the plain images as the whole JSON has them."""
    found = []
    for link in links:
        if link["path"] in ("IMG@/src", "IMG@/data-src"):
            url, *texts = (
                str(value) if isinstance(value, str | int) else ""
                for value in (link.get("url"), link.get("alt"), link.get("title"))
            )
            found.append((url, texts[0]))
            found += [(url, texts[1])] if link.get("title") else []
    return found


@settings(max_examples=500, deadline=None)
@given(_HEAD, _LINKS, _HEAD, st.booleans(), st.booleans())
def test_links_cut_out_give_what_a_full_decode_gives(
    head: dict[str, str], links: list[dict[str, Any]], headers: dict[str, str], last: bool, ascii_only: bool
) -> None:
    page = {"Links": links, "Head": head} if not last else {"Head": head, "Links": links}
    record = {
        "Envelope": {
            "Payload-Metadata": {"HTTP-Response-Metadata": {"Headers": headers, "HTML-Metadata": page}}
        }
    }
    body = json.dumps(record, separators=(",", ":"), ensure_ascii=ascii_only).encode()
    read = WatPage(body)
    assert [(pair.src, pair.text) for pair in read.pairs()] == by_full_decode(links)
    assert read.facts("wit-builder").base == (head.get("Base") or None)
    licenses = [url for link in links if "creativecommons.org/" in str(url := link.get("url") or "")]
    assert read.facts("wit-builder").license == next((url for url in licenses if isinstance(url, str)), None)
