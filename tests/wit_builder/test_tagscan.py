import os
import tarfile
from collections import Counter

import pytest

from wit_builder.charsets import to_utf8
from wit_builder.html import read_page, read_whole_page
from wit_builder.tagscan import pieces_of

DATA = os.environ.get("WIT_TEST_DATA")


def test_only_what_matters_is_cut_out() -> None:
    pieces = pieces_of(
        b"<head><meta name=x><link rel=icon href=i><script>var x</script></head><p>text <IMG src='a>b'>"
        b"<a href=/x>link</a><a rel=license href=/l>terms</a><figure><img src=c> text</figure>"
        b"<picture><source srcset=d><img src=e></picture><script type=application/ld+json>{}</script>"
    )
    assert pieces
    assert pieces.facts() == (
        b"<meta name=x><a rel=license href=/l><script type=application/ld+json>{}</script>"
    )
    assert list(pieces.images()) == [
        [
            b"<IMG src='a>b'>",
            b"<figure><img src=c> text</figure>",
            b"<picture><source srcset=d><img src=e></picture>",
        ]
    ]


def test_a_page_without_images_has_none() -> None:
    pieces = pieces_of(b"<p>text</p><!-- <img> --><script><img></script>")
    assert pieces
    assert not list(pieces.images())
    assert pieces.facts() == b""


@pytest.mark.parametrize(
    "page",
    [
        b"<figure><img src=a>",
        b"<figure><div></figure></div>",
        b"<figure><table></table></figure>",
        b"<picture><p><img src=a></picture>",
        b"<svg><![CDATA[<img>]]></svg>",
        b"<svg><title><img></title></svg>",
        b"<svg><img src=a></svg>",
        b"<image src=a>",
        b"<frameset>",
        b"<plaintext>",
        b"<script><!--<script></script>--></script>",
        b"<table><tr><td><base href=/a></td><base href=/b></table>",
        b"<button><figure><button></button></figure>",
        b"<figure>" * 300 + b"</figure>" * 300,
    ],
)
def test_what_only_a_tree_can_tell_is_left_to_the_parser(page: bytes) -> None:
    assert pieces_of(b"<img src=x>" + page) is None


@pytest.mark.skipif(not DATA, reason="WIT_TEST_DATA names no folder with html/*.tar.xz")
@pytest.mark.parametrize("archive", ["aeb_pages", "newspaper_pages"])
def test_real_pages_give_what_a_full_parse_gives(archive: str) -> None:
    seen, cut = 0, 0
    with tarfile.open(f"{DATA}/html/{archive}.tar.xz") as pages:
        for member in pages:
            if not member.isfile() or not member.name.endswith((".html", ".htm")):
                continue
            handle = pages.extractfile(member)
            assert handle
            page = to_utf8(handle.read(), None)
            facts, pairs = read_page(page, "wit-builder")
            whole_facts, whole_pairs = read_whole_page(page, "wit-builder")
            expected = Counter(whole_pairs)
            assert Counter(pairs) == expected
            assert not expected or facts == whole_facts
            seen, cut = seen + 1, cut + (pieces_of(page) is not None)
    assert seen > 100
    assert cut > seen / 2
