import bz2
import gzip
import tracemalloc
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.servers import site
from vocab.dump import Page, read_pages, skip_reason
from vocab.streams import Slice, list_slices, read_index
from wit_builder.errors import UserError
from wit_builder.records import DropReason

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


PACKED = {
    "plain": XML,
    "gzip": gzip.compress(XML),
    "gzip of two members": gzip.compress(XML[:500]) + gzip.compress(XML[500:]),
    "bzip2": bz2.compress(XML),
    "multistream bzip2": b"".join(map(bz2.compress, (XML[:300], XML[300:700], XML[700:]))),
    "zstandard": zstandard.compress(XML),
    "zstandard of two frames": zstandard.compress(XML[:500]) + zstandard.compress(XML[500:]),
}


@pytest.mark.parametrize("content", PACKED.values(), ids=PACKED)
def test_pages_are_the_same_however_the_dump_is_packed(content: bytes, tmp_path: Path) -> None:
    assert list(read_pages(_file(tmp_path, content))) == EXPECTED


@pytest.mark.parametrize("content", PACKED.values(), ids=PACKED)
@pytest.mark.parametrize("slice_bytes", [1, 7, 64, 200, 333, 5000])
def test_each_page_is_in_one_slice(content: bytes, slice_bytes: int, tmp_path: Path) -> None:
    path = _file(tmp_path, content)
    slices = list_slices(path, slice_bytes)
    assert [page for part in slices for page in read_pages(path, part)] == EXPECTED


@given(st.lists(st.integers(0, len(XML)), max_size=12), st.integers(1, 400))
def test_streams_may_be_cut_anywhere(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], size: int
) -> None:
    edges = [0, *sorted(cuts), len(XML)]
    streams = [bz2.compress(XML[start:end]) for start, end in pairwise(edges)]
    path = _file(tmp_path_factory.mktemp("dump"), b"".join(streams))
    assert [page for part in list_slices(path, size) for page in read_pages(path, part)] == EXPECTED


def test_slices_follow_the_index_of_a_multistream_dump(tmp_path: Path) -> None:
    streams = [bz2.compress(piece) for piece in (XML[:300], XML[300:700], XML[700:])]
    path = _file(tmp_path, b"".join(streams))
    first, second = len(streams[0]), len(streams[0] + streams[1])
    index = tmp_path / "index"
    index.write_bytes(bz2.compress(f"{first}:1:Dog\n{first}:2:Hound: a dog\n{second}:3:Void\n".encode()))
    slices = list_slices(path, 1, read_index(str(index)))
    assert slices == [Slice(0, first), Slice(first, second), Slice(second, None)]
    assert [page for part in slices for page in read_pages(path, part)] == EXPECTED
    index.write_bytes(b"no offsets\n")
    with pytest.raises(UserError, match=r"is no multistream index: b'no offsets'; name a file"):
        read_index(str(index))


def test_each_page_that_is_no_article_has_a_reason() -> None:
    assert [skip_reason(page) for page in EXPECTED] == [
        None,
        DropReason.REDIRECT,
        DropReason.OTHER_NAMESPACE,
        DropReason.EMPTY,
    ]


def test_the_sample_of_the_english_wikipedia(enwiki_sample: Path) -> None:
    pages = [page for page in read_pages(str(enwiki_sample)) if isinstance(page, Page)]
    assert Counter(map(skip_reason, pages)) == {
        None: 106,
        DropReason.REDIRECT: 99,
        DropReason.OTHER_NAMESPACE: 1,
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
    assert peak < 4e6


DAMAGED_STREAM, DAMAGED_PAGE = DropReason.DAMAGED_STREAM, DropReason.DAMAGED_PAGE
STREAMS = [bz2.compress(piece) for piece in XML.partition(b"<page><title>Talk")]


def _spoilt(stream: bytes) -> bytes:
    return stream[:12] + bytes(byte ^ 0xFF for byte in stream[12:])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (bz2.compress(XML)[:-20], [DAMAGED_STREAM]),
        (b"".join(STREAMS)[:-5], [*EXPECTED, DAMAGED_STREAM]),
        (STREAMS[0], [*EXPECTED[:2], DAMAGED_STREAM]),
        (_spoilt(STREAMS[0]) + b"".join(STREAMS[1:]), [DAMAGED_STREAM, *EXPECTED[2:]]),
        (STREAMS[0] + _spoilt(bz2.compress(b"<page></page>")) + STREAMS[1] + STREAMS[2],
         [*EXPECTED[:2], DAMAGED_STREAM, *EXPECTED[2:]]),
        (gzip.compress(XML)[:-4], [*EXPECTED, DAMAGED_STREAM]),
        (zstandard.compress(XML)[:-9], [DAMAGED_STREAM]),
        (XML[:-40], [*EXPECTED[:3], DAMAGED_PAGE]),
        (XML[:-5], [*EXPECTED, DAMAGED_STREAM]),
        (XML.replace(b"</revision>", b"</revisoin>", 1), [DAMAGED_PAGE, *EXPECTED[1:]]),
        (XML.replace(b"</page>", b"", 1), [DAMAGED_PAGE, *EXPECTED[1:]]),
        (XML.replace(b"<ns>1", b"<ns>one"), [*EXPECTED[:2], DAMAGED_PAGE, EXPECTED[3]]),
        (XML.replace(b"hello", b"&undeclared;"), [*EXPECTED[:2], DAMAGED_PAGE, EXPECTED[3]]),
        (b'<!DOCTYPE mediawiki [<!ENTITY a "aaaa">]>' + XML.replace(b"hello", b"&a;"),
         [*EXPECTED[:2], DAMAGED_PAGE, EXPECTED[3]]),
    ],
)  # fmt: skip
def test_damage_costs_its_page_or_stream(
    content: bytes, expected: list[Page | DropReason], tmp_path: Path
) -> None:
    assert list(read_pages(_file(tmp_path, content))) == expected


@pytest.mark.parametrize("slice_bytes", [40, 150, 400])
def test_damage_is_counted_once_however_the_dump_is_sliced(slice_bytes: int, tmp_path: Path) -> None:
    broken = [bz2.compress(XML[:300]), _spoilt(bz2.compress(XML[300:450])), bz2.compress(XML[450:])]
    path = _file(tmp_path, b"".join(broken))
    found = [page for part in list_slices(path, slice_bytes) for page in read_pages(path, part)]
    assert found.count(DAMAGED_STREAM) == 1
    assert [page for page in found if isinstance(page, Page)] == EXPECTED[2:]


def test_a_page_without_an_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vocab.dump._LONGEST", 1 << 19)
    endless = HEAD.encode() + b"<page>" + b"x" * (1 << 20) + PAGES.encode() + b"</mediawiki>"
    assert list(read_pages(_file(tmp_path, endless))) == [DAMAGED_PAGE, *EXPECTED]


@pytest.mark.parametrize(
    "content", [b"title,text\n", b"<html><body/></html>", bz2.compress(b"<html></html>")]
)
def test_a_file_that_is_no_export_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no MediaWiki export: it begins with '"):
        list(read_pages(_file(tmp_path, content)))


def test_slices_of_a_remote_dump_are_read_by_ranges(tmp_path: Path) -> None:
    path = _file(tmp_path, b"".join(STREAMS))

    async def serve(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(path)

    with site(serve) as running:
        url = running.url("/wiki.xml.bz2")
        slices = list_slices(url, 200)
        assert len(slices) > 1
        assert [page for part in slices for page in read_pages(url, part)] == EXPECTED


def test_a_missing_dump_is_named() -> None:
    with pytest.raises(UserError, match=r"no/such\.bz2 does not exist"):
        list(read_pages("no/such.bz2"))
