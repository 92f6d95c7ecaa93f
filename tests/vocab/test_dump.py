import bz2
import gzip
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from vocab.dump import Page, SkipReason, read_pages, skip_reason
from wit_builder.errors import UserError

HEAD = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">'
PAGES = """
<siteinfo><sitename>Wikipedia</sitename><namespaces><namespace key="0"/></namespaces></siteinfo>
<page><title>Dog &amp; cat</title><ns>0</ns><id>1</id><revision><id>9</id>
<comment>not this</comment><text xml:space="preserve">A '''dog''' &lt;ref&gt;x&lt;/ref&gt;</text>
</revision></page>
<page><title>Hound</title><ns>0</ns><redirect title="Dog" />
<revision><text>#REDIRECT [[Dog]]</text></revision></page>
<page><title>Talk:Dog</title><ns>1</ns><revision><text>hello</text></revision></page>
<page><title>Void</title><ns>0</ns><revision><text /></revision></page>
"""
XML = f"{HEAD}{PAGES}</mediawiki>".encode()
EXPECTED = [
    Page("Dog & cat", 0, None, "A '''dog''' <ref>x</ref>"),
    Page("Hound", 0, "Dog", "#REDIRECT [[Dog]]"),
    Page("Talk:Dog", 1, None, "hello"),
    Page("Void", 0, None, ""),
]


def _file(folder: Path, content: bytes) -> str:
    (folder / "dump").write_bytes(content)
    return str(folder / "dump")


@pytest.mark.parametrize(
    "content",
    [
        XML,
        gzip.compress(XML),
        bz2.compress(XML),
        bz2.compress(XML[:300]) + bz2.compress(XML[300:700]) + bz2.compress(XML[700:]),
    ],
    ids=["plain", "gzip", "bzip2", "multistream bzip2"],
)
def test_pages_are_the_same_however_the_dump_is_packed(content: bytes, tmp_path: Path) -> None:
    assert list(read_pages(_file(tmp_path, content))) == EXPECTED


def test_each_page_that_is_no_article_has_a_reason() -> None:
    assert [skip_reason(page) for page in EXPECTED] == [
        None,
        SkipReason.REDIRECT,
        SkipReason.OTHER_NAMESPACE,
        SkipReason.EMPTY,
    ]


def test_the_sample_of_the_english_wikipedia(enwiki_sample: Path) -> None:
    pages = list(read_pages(str(enwiki_sample)))
    assert Counter(map(skip_reason, pages)) == {
        None: 106,
        SkipReason.REDIRECT: 99,
        SkipReason.OTHER_NAMESPACE: 1,
    }
    assert [page.title for page in pages if skip_reason(page) is None][:3] == [
        "Anarchism",
        "Autism",
        "Albedo",
    ]


def test_memory_does_not_grow_with_the_dump(tmp_path: Path) -> None:
    page = f"<page><title>T</title><ns>0</ns><revision><text>{'word ' * 2000}</text></revision></page>"
    path = _file(tmp_path, bz2.compress((HEAD + page * 1000 + "</mediawiki>").encode()))  # 10 MB of XML
    tracemalloc.start()
    assert sum(1 for _ in read_pages(path)) == 1000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3e6


MULTISTREAM = bz2.compress(f"{HEAD}{PAGES}".encode()) + bz2.compress(b"</mediawiki>")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bz2.compress(XML)[:-20], "is cut short before its first page; download it again"),
        (MULTISTREAM[:-5], "is cut short after page 4; download it again"),
        (bz2.compress(f"{HEAD}{PAGES}".encode()), "is cut short after page 4; download it again"),
        (gzip.compress(XML)[:-4], "is cut short after page 4; download it again"),
        (XML[:-40], "is cut short after page 3; download it again"),
        (XML.replace(b"</revision>", b"</revisoin>", 1), "is damaged before its first page: mismatched tag"),
        (bz2.compress(XML)[:40] + b"\0" * 400, "is damaged before its first page: Invalid data stream"),
        (b"title,text\n", "is damaged before its first page: syntax error: line 1"),
        (b"", "is damaged before its first page: no element found"),
        (
            b"<html><body/></html>",
            "is no MediaWiki export: its root element is <html>; name a pages-articles",
        ),
        (XML.replace(b"<ns>0", b"<ns>zero"), "is no MediaWiki export: a page has the namespace 'zero'"),
    ],
)
def test_a_broken_dump_is_named_with_place_and_remedy(content: bytes, message: str, tmp_path: Path) -> None:
    path = _file(tmp_path, content)
    with pytest.raises(UserError) as error:
        list(read_pages(path))
    assert str(error.value).startswith(f"{path} {message}")
    assert "\n" not in str(error.value)


def test_pages_before_the_damage_are_given(tmp_path: Path) -> None:
    pages = read_pages(_file(tmp_path, MULTISTREAM[:-5]))
    assert [next(pages) for _ in EXPECTED] == EXPECTED


def test_an_expansion_bomb_is_refused(tmp_path: Path) -> None:
    bomb = b'<!DOCTYPE mediawiki [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + XML
    with pytest.raises(UserError, match="declares the entity 'a'"):
        list(read_pages(_file(tmp_path, bomb)))


def test_a_missing_dump_is_named() -> None:
    with pytest.raises(UserError, match=r"no/such\.bz2 does not exist"):
        list(read_pages("no/such.bz2"))
