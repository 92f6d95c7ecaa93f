import pytest

from wit_builder import html
from wit_builder.html import Pair
from wit_builder.records import TextSource

PAGE = """
<html><head><base href="/pictures/"><meta property="og:image" content="og.jpg">
<meta property="og:title" content="Title"><link rel="license" href="https://creativecommons.org/licenses/by/4.0/">
</head><body>
<img src="dog.jpg" alt="a dog" title="my dog" width="10px" height="200">
<img alt="no source"><img src="cat.jpg">
<figure><img src="cow.jpg" alt="a cow"><figcaption>A <b>brown</b> cow</figcaption></figure>
"""


def test_pairs_of_a_page() -> None:
    assert list(html.pairs_from_html(html.parse(PAGE))) == [
        Pair("dog.jpg", "a dog", TextSource.ALT, 10, 200),
        Pair("dog.jpg", "my dog", TextSource.TITLE, 10, 200),
        Pair("", "no source", TextSource.ALT),
        Pair("cat.jpg", "", TextSource.ALT),
        Pair("cow.jpg", "a cow", TextSource.ALT),
        Pair("cow.jpg", "A  brown  cow", TextSource.FIGCAPTION),
        Pair("og.jpg", "Title", TextSource.OG),
    ]


def test_facts_of_a_page() -> None:
    facts = html.page_facts(html.parse(PAGE), "http://site/a/b.html", "wit-builder")
    assert facts == html.PageFacts(
        "http://site/pictures/", None, "https://creativecommons.org/licenses/by/4.0/"
    )


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
    assert html.page_facts(html.parse(tag), "http://site/", "wit-builder").opt_out == ground


@pytest.mark.parametrize(
    ("src", "url"),
    [
        ("dog.jpg", "http://site/a/dog.jpg"),
        ("/dog.jpg#part", "http://site/dog.jpg"),
        ("//other/dog.jpg", "http://other/dog.jpg"),
        ("../x/./dog.jpg", "http://site/x/dog.jpg"),
        (" dog one.jpg ", "http://site/a/dog%20one.jpg"),
        ("hünd.jpg", "http://site/a/h%C3%BCnd.jpg"),
        ("HTTP://OTHER:80/Dog.jpg?q=1", "http://other/Dog.jpg?q=1"),
        ("http://[broken/dog.jpg", None),
        ("javascript:void(0)", None),
    ],
)
def test_addresses_are_resolved(src: str, url: str | None) -> None:
    assert html.resolve("http://site/a/b.html", src) == url


@pytest.mark.parametrize(
    ("body", "header", "text"),
    [
        ("é".encode(), None, "é"),
        ("é".encode("latin-1"), "iso-8859-1", "é"),
        (b'<meta charset="windows-1251">' + "д".encode("cp1251"), None, '<meta charset="windows-1251">д'),
        ("é".encode("cp1252"), "utf-8", "é"),
        ("é".encode(), "no-such-charset", "é"),
        (b"\xff\x00", "utf-8", "ÿ\x00"),
    ],
)
def test_a_page_is_decoded(body: bytes, header: str | None, text: str) -> None:
    assert html.decode(body, header) == text
