import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wit_builder.html import IMAGE_SOURCES, PageFacts, Pair, read_page, read_whole_page
from wit_builder.records import TextSource
from wit_builder.tagscan import may_have_pairs

PAGE = """
<html><head><base href="/pictures/"><meta property="og:image" content="og.jpg">
<meta property="og:title" content="Title"><link rel="license" href="https://creativecommons.org/licenses/by/4.0/">
</head><body>
<img src="dog.jpg" alt="a dog" title="my dog" width="10px" height="200">
<img alt="no source"><img src="cat.jpg">
<figure><img src="cow.jpg" alt="a cow"><figcaption>A <b>brown</b> cow</figcaption></figure>
"""


def pairs(page: str) -> list[Pair]:
    return list(read_page(page.encode(), "wit-builder")[1])


def facts(page: str) -> PageFacts:
    return read_page(page.encode(), "wit-builder")[0]


def test_pairs_of_a_page() -> None:
    assert pairs(PAGE) == [
        Pair("dog.jpg", "a dog", TextSource.ALT, 10, 200),
        Pair("dog.jpg", "my dog", TextSource.TITLE, 10, 200),
        Pair("", "no source", TextSource.ALT),
        Pair("cat.jpg", "", TextSource.ALT),
        Pair("cow.jpg", "a cow", TextSource.ALT),
        Pair("cow.jpg", "A  brown  cow", TextSource.FIGCAPTION),
        Pair("og.jpg", "Title", TextSource.OG),
    ]


def test_facts_of_a_page() -> None:
    assert facts(PAGE) == PageFacts("/pictures/", None, "https://creativecommons.org/licenses/by/4.0/")


@pytest.mark.parametrize(
    ("image", "src"),
    [
        ('<img src="a.jpg">', "a.jpg"),
        ('<img src="p.gif" data-src="a.jpg">', "a.jpg"),
        ('<img src="p.gif" data-original="a.jpg">', "a.jpg"),
        ('<img src="p.gif" data-lazy="a.jpg">', "a.jpg"),
        ('<img src="p.gif" data-lazy-src="a.jpg">', "a.jpg"),
        ('<img src="p.gif" data-src="b.jpg" data-srcset="c.jpg 300w, a.jpg 900w">', "a.jpg"),
        ('<img src="s.jpg" srcset="s.jpg, a.jpg 2x">', "a.jpg"),
        ('<img src="a.jpg" srcset="data:image/gif;base64,AA 900w">', "a.jpg"),
        ('<picture><source srcset="a.webp 800w"><img src="s.jpg"></picture>', "a.webp"),
        ('<picture><source type="image/avif" srcset="a.avif 800w"><img src="s.jpg"></picture>', "s.jpg"),
        ('<source srcset="a.webp 800w"><img src="s.jpg">', "s.jpg"),
        ("<IMG SRC=a.jpg>", "a.jpg"),
        ('<image src="a.jpg">', "a.jpg"),
        ('<img src="a.jpg&amp;b&eacute;">', "a.jpg&bé"),
    ],
)
def test_the_address_of_an_image(image: str, src: str) -> None:
    assert {pair.src for pair in pairs(image)} == {src}


def test_a_caption_belongs_to_its_own_figure() -> None:
    page = (
        "<figure><figure><img src=a.jpg><figcaption>inner</figcaption></figure>"
        "<figure><img src=b.jpg></figure><figcaption>outer</figcaption></figure>"
        "<figcaption>no figure</figcaption>"
    )
    captions = [pair[:2] for pair in pairs(page) if pair.source == TextSource.FIGCAPTION]
    assert captions == [("a.jpg", "inner"), ("a.jpg", "outer")]


def test_open_graph_images_have_an_alt_of_their_own_or_the_title() -> None:
    page = (
        '<meta property="og:image" content="a.jpg"><meta property="og:image:alt" content="an A">'
        '<meta property="og:image" content="b.jpg"><meta name="og:title" content="Title">'
    )
    assert pairs(page) == [
        Pair("a.jpg", "an A", TextSource.OG),
        Pair("b.jpg", "Title", TextSource.OG),
    ]


def test_linked_data_gives_image_objects() -> None:
    page = (
        '<script type="application/ld+json">{"@type": "Article", "image": {"@type": "ImageObject",'
        '"contentUrl": "a.jpg", "caption": "an A"}}</script>'
        '<script type="application/ld+json">{broken</script>'
    )
    assert pairs(page) == [Pair("a.jpg", "an A", TextSource.JSON_LD)]


@pytest.mark.parametrize(
    ("tag", "ground"),
    [
        ('<meta name="robots" content="noai">', "meta robots: noai"),
        ('<meta name="ROBOTS" content="index, NoImageAI">', "meta robots: noimageai"),
        ('<meta name="wit-builder" content="noindex">', "meta robots: noindex"),
        ('<meta name="googlebot" content="noindex">', None),
        ('<meta name="tdm-reservation" content="1">', "meta tdm-reservation: 1"),
        ('<meta name="tdm-reservation" content="0">', None),
    ],
)
def test_a_page_may_opt_out(tag: str, ground: str | None) -> None:
    assert facts(tag + "<img src=a.jpg>").opt_out == ground


@pytest.mark.parametrize(
    ("tag", "license"),
    [
        ('<a rel="nofollow LICENSE" href="/terms">', "/terms"),
        ('<link rel="license" href="/terms">', "/terms"),
        (
            '<a href="https://creativecommons.org/licenses/by/4.0/">',
            "https://creativecommons.org/licenses/by/4.0/",
        ),
        ('<a rel="lic&#101;nse" href="/terms">', "/terms"),
        ('<a href="/license.html">', None),
    ],
)
def test_a_page_may_name_its_license(tag: str, license: str | None) -> None:
    assert facts(tag + "<img src=a.jpg>").license == license


NOT_IMAGES = [
    "<!-- <img src=no> -->",
    "<script>document.write('<img src=no>')</script>",
    "<style><img src=no></style>",
    "<textarea><img src=no></textarea>",
    "<title><img src=no></title>",
    "<template><img src=no></template>",
    '<a title="<img src=no>">x</a>',
    "<? <img src=no",
    "<iframe><img src=no></iframe>",
    "<img src=no",
    "<plaintext><img src=no>",
]


@pytest.mark.parametrize("page", NOT_IMAGES)
def test_what_only_looks_like_an_image_is_none(page: str) -> None:
    assert pairs("<img src=yes>" + page) == [Pair("yes", "", TextSource.ALT)]


_NAMES = """
    img image figure figcaption picture source a b p div table tr td select option button svg math title desc
    style script textarea noscript template iframe xmp base meta link li form input object h1 nobr plaintext
    frameset foreignObject path br caption IMG Figure noframes html body head mtext span hr applet
"""
_TAGS = st.sampled_from(_NAMES.split())
_ATTRIBUTES = st.sampled_from(
    [
        "",
        " src=1.jpg alt=x",
        ' src="2.jpg" title="a > b"',
        " src='3.jpg' alt='<img src=q>'",
        ' srcset="4.jpg 2x, 5.jpg 3x"',
        " rel=license href=/l",
        " href=https://creativecommons.org/x",
        ' name=robots content="noai"',
        " property=og:image content=6.jpg",
        " property=og:title content=T",
        " type=application/ld+json",
        ' alt="unclosed',
        " alt=a'b\"c",
        " =x/",
        "/",
        " a=b/",
        "\0",
        " alt=\n",
    ]
)
_START = st.tuples(_TAGS, _ATTRIBUTES).map(lambda tag: f"<{tag[0]}{tag[1]}>")
_END = _TAGS.map(lambda name: f"</{name}>")
_SIGNS = "<!-- --> --!> <!--> <!doctype <![CDATA[ ]]> <?x </ < > \" ' &amp; &#105; text \0 = - <! é"
_TEXTS = st.sampled_from(
    [
        *_SIGNS.split(" "),
        "\n",
        " ",
        "</ >",
        '{"@type":"ImageObject","url":"7.jpg","name":"n"}',
        "<script><!--<script>",
        "</script>",
    ]
)
_NASTY = st.lists(
    st.one_of(_START, _START, _END, _TEXTS, st.text(string.ascii_letters + "<>/!-\"'= ", max_size=4))
)


@settings(max_examples=1_500, deadline=None)
@given(_NASTY)
def test_what_is_cut_out_gives_what_a_full_parse_gives(parts: list[str]) -> None:
    page = "".join(parts).encode()
    cut_facts, cut_pairs = read_page(page, "wit-builder")
    whole_facts, whole_pairs = read_whole_page(page, "wit-builder")
    expected = sorted(whole_pairs, key=repr)
    assert sorted(cut_pairs, key=repr) == expected
    if expected:
        assert cut_facts == whole_facts
    for only_images, sources in ((False, frozenset(TextSource)), (True, IMAGE_SOURCES)):
        if not may_have_pairs(page, only_images=only_images):
            assert not list(read_whole_page(page, "wit-builder", sources)[1])


_LETTERS = "srcaltitleSRC=\"' \n\t\f\v/<>é-\u3000"


@settings(max_examples=500, deadline=None)
@given(st.lists(st.text(_LETTERS, max_size=24)))
def test_attributes_are_those_of_a_full_parse(tags: list[str]) -> None:
    page = "".join(f"<img src=1.jpg {tag}>" for tag in tags).encode()
    assert list(read_page(page, "wit-builder")[1]) == list(read_whole_page(page, "wit-builder")[1])


def test_images_alone_are_read_if_no_more_is_asked() -> None:
    _, read = read_page(PAGE.encode(), "wit-builder", frozenset((TextSource.ALT,)))
    assert {pair.source for pair in read} == {TextSource.ALT}


GRAPHS = [
    "<meta property=og:image content=a.jpg><meta property=og:title content=T>",
    "<META NAME=og&colon;image content=a.jpg><meta name=og&#58;title content=T>",
    '<script type="application/ld+JSON">{"@type":"ImageObject","url":"a.jpg","name":"T"}</script>',
    '<script type="application/ld&plus;json">{"@type":"ImageObject","url":"a.jpg","name":"T"}</script>',
]


@pytest.mark.parametrize("page", GRAPHS)
@pytest.mark.parametrize("before", [0, 7, 5_000])
def test_pages_without_an_image_element_may_have_pairs(page: str, before: int) -> None:
    page = "x" * before + page
    assert may_have_pairs(page.encode(), only_images=False)
    assert not may_have_pairs(page.encode(), only_images=True)
    assert [(pair.src, pair.text) for pair in pairs(page)] == [("a.jpg", "T")]


@pytest.mark.parametrize("place", [0, 1, 8, 4_090, 4_096, 5_000])
def test_an_image_is_seen_wherever_it_stands(place: int) -> None:
    page = b" " * place + b"<Img>"
    assert may_have_pairs(page, only_images=True)
    assert may_have_pairs(page + b" " * 9_000, only_images=True)
    assert not may_have_pairs((page + b" " * 20).replace(b"m", b"n"), only_images=True)
