import gzip
import io
import os
import random
import tarfile
import tracemalloc
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from tests.archives import HTML, write_warc, write_wat
from wit_builder import storage
from wit_builder.archives import slices_of
from wit_builder.candidates import REJECT_SCHEMA, ROWS_PER_BATCH, read_candidates
from wit_builder.errors import UserError
from wit_builder.hashing import uid_of

PAGE = '<img src="/dog.jpg" alt=" a\n brown  dog "><img src="/x.gif" alt="x" width="1"><img src="/n.jpg">'
DATA = os.environ.get("WIT_TEST_DATA")
Rows = list[dict[str, object]]


def read(path: Path) -> tuple[Rows, Counter[str]]:
    counts: Counter[str] = Counter()
    batches = read_candidates(str(path), "wit-builder", lambda what: counts.update([what]))
    return [row for batch in batches for row in batch.to_pylist()], counts


def test_a_page_gives_candidates_and_reasons(tmp_path: Path) -> None:
    rows, counts = read(write_warc(tmp_path / "a.warc.gz", [("http://site/p", PAGE)]))
    assert [row["drop_reason"] for row in rows] == [None, "tiny_image", "no_text"]
    dog = rows[0]
    assert dog["text"] == "a brown dog"
    assert dog["uid"] == uid_of("http://site/dog.jpg", "a brown dog")
    assert (dog["page_url"], dog["archive"], dog["archive_offset"]) == ("http://site/p", "a.warc.gz", 0)
    assert list(dog) == REJECT_SCHEMA.names
    assert counts == {"records": 1, "pages": 1}


def test_a_pair_counts_once_a_page_and_strange_addresses_have_reasons(tmp_path: Path) -> None:
    page = (
        '<img src="/dog.jpg" alt="dog" title="dog"><img src="data:image/gif;base64,AA" alt="dot">'
        '<img src="http://[/" alt="broken"><img alt="nowhere">'
    )
    rows, _ = read(write_warc(tmp_path / "a.warc.gz", [("http://site/p", page)]))
    assert [row["drop_reason"] for row in rows] == [
        None,
        "duplicate_pair",
        "unsupported_scheme",
        "bad_url",
        "bad_url",
    ]


def test_a_placeholder_does_not_hide_the_image_that_follows(tmp_path: Path) -> None:
    page = '<img src="a.jpg" alt="a dog" width="1"><img src="a.jpg" alt="a dog" width="500">'
    rows, _ = read(write_warc(tmp_path / "a.warc.gz", [("http://site/p", page)]))
    assert [row["drop_reason"] for row in rows] == ["tiny_image", None]


def test_a_host_name_that_is_none_costs_only_its_pair(tmp_path: Path) -> None:
    page = '<img src="http://xn--a/x.jpg" alt="a dog"><img src="b.jpg" alt="a cat">'
    rows, _ = read(write_warc(tmp_path / "a.warc.gz", [("http://site/p", page)]))
    assert [row["drop_reason"] for row in rows] == ["bad_url", None]


OPT_OUTS = [
    ([("X-Robots-Tag", "noimageai")], "x-robots-tag: noimageai"),
    ([("x-robots-tag", "max-snippet: 3"), ("X-Robots-Tag", "noai")], "x-robots-tag: noai"),
    ([("TDM-Reservation", "1")], "tdm-reservation: 1"),
    ([("X-Robots-Tag", "googlebot: noai")], None),
]


@pytest.mark.parametrize(("headers", "ground"), OPT_OUTS)
def test_headers_may_opt_the_page_out(
    tmp_path: Path, headers: list[tuple[str, str]], ground: str | None
) -> None:
    warc, _ = read(write_warc(tmp_path / "a.warc.gz", [("http://site/p", PAGE)], [*HTML, *headers]))
    assert warc[0]["opt_out"] == ground
    by_name: dict[str, list[str]] = {}
    for name, value in headers:
        by_name.setdefault(name, []).append(value)
    page = {"Links": [{"path": "IMG@/src", "url": "dog.jpg", "alt": "a dog"}]}
    wat, _ = read(write_wat(tmp_path / "a.wat.gz", [("http://site/p", page)], {"Headers": by_name}))
    assert wat[0]["opt_out"] == ground


def test_error_pages_give_no_candidates(tmp_path: Path) -> None:
    warc = write_warc(tmp_path / "a.warc.gz", [("http://site/p", PAGE)], status="404 Not Found")
    assert read(warc) == ([], {"records": 1, "error_pages": 1})
    response = {"Response-Message": {"Status": "404"}}
    page = {"Links": [{"path": "IMG@/src", "url": "dog.jpg", "alt": "a dog"}]}
    assert read(write_wat(tmp_path / "a.wat.gz", [("http://site/p", page)], response))[0] == []


def test_a_fault_of_reading_is_no_end_of_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [(f"http://site/{n}", PAGE + random.Random(n).randbytes(60_000).hex()) for n in range(10)]
    path = write_warc(tmp_path / "a.warc.gz", pages)
    opened = storage.open_read

    def faulty(name: str) -> io.BufferedReader:
        class Faulty(io.RawIOBase):
            inner = opened(name)

            def readable(self) -> bool:
                return True

            def seekable(self) -> bool:
                return True

            def seek(self, offset: int, whence: int = 0) -> int:
                return self.inner.seek(offset, whence)

            def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
                if self.inner.tell() > 200_000:
                    raise ConnectionResetError("reset by peer")
                data = self.inner.read(len(buffer))
                buffer[: len(data)] = data
                return len(data)

        return io.BufferedReader(Faulty())

    monkeypatch.setattr(storage, "open_read", faulty)
    with pytest.raises(ConnectionResetError):
        read(path)


def test_wat_and_warc_agree(tmp_path: Path) -> None:
    links = [
        {"path": "IMG@/src", "url": "dog.jpg", "alt": "a dog"},
        {"path": "A@/href", "url": "x.html", "text": "no image"},
        {"path": "IMG@/src", "url": "cat.jpg"},
    ]
    wat, _ = read(
        write_wat(tmp_path / "a.wat.gz", [("http://site/p", {"Head": {"Base": "/b/"}, "Links": links})])
    )
    page = '<base href="/b/"><img src="dog.jpg" alt="a dog"><img src="cat.jpg">'
    warc, _ = read(write_warc(tmp_path / "a.warc.gz", [("http://site/p", page)]))
    same = ("uid", "url", "text", "text_source", "page_url", "drop_reason")
    assert [[row[name] for name in same] for row in wat] == [[row[name] for name in same] for row in warc]


def test_one_bad_record_costs_only_itself(tmp_path: Path) -> None:
    good = {"Links": [{"path": "IMG@/src", "url": "dog.jpg", "alt": "a dog"}]}
    pages = [("http://a/", good), ("http://b/", b"{broken"), ("http://c/", b"[1]"), ("http://d/", good)]
    rows, counts = read(write_wat(tmp_path / "a.wat.gz", pages))
    assert [row["page_url"] for row in rows] == ["http://a/", "http://d/"]
    assert counts["bad_records"] == 2


@pytest.mark.parametrize(("packed", "lost"), [(True, 200), (True, 20), (False, 500)])
def test_a_warc_cut_in_the_middle_loses_only_its_last_record(tmp_path: Path, packed: bool, lost: int) -> None:
    pages = [(f"http://site/{n}", PAGE + "x" * 2000) for n in range(3)]
    whole = write_warc(tmp_path / "a.warc", pages, gzip=packed)
    cut = tmp_path / "cut.warc"
    cut.write_bytes(whole.read_bytes()[:-lost])
    rows, counts = read(cut)
    assert {row["page_url"] for row in rows} == {"http://site/0", "http://site/1"}
    assert counts["truncated_records"] + counts["unreadable_rest"] >= 1


@pytest.mark.parametrize("content", [b"hello, this is no archive", gzip.compress(b"nor is this"), b""])
def test_what_is_no_archive_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.warc.gz").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.warc\.gz is no WARC or WAT file"):
        read(tmp_path / "a.warc.gz")


def test_other_content_is_no_page(tmp_path: Path) -> None:
    path = write_warc(
        tmp_path / "a.warc.gz", [("http://site/p", PAGE)], [("Content-Type", "application/pdf")]
    )
    assert read(path) == ([], {"records": 1})


def test_slices_together_give_the_rows_of_the_whole(tmp_path: Path) -> None:
    pages = [(f"http://site/{n}", PAGE + "x" * 500) for n in range(30)]
    path = write_warc(tmp_path / "a.warc.gz", pages)
    whole, _ = read(path)
    rows = [
        row
        for start, end in slices_of(str(path), 1_000)
        for batch in read_candidates(str(path), "wit-builder", lambda what: None, start, end)
        for row in batch.to_pylist()
    ]
    assert rows == whole
    assert len(slices_of(str(path), 1_000)) > 3


def test_a_page_license_is_resolved(tmp_path: Path) -> None:
    page = '<base href="/b/"><a rel="license" href="terms"></a><img src="a.jpg" alt="a dog">'
    rows, _ = read(write_warc(tmp_path / "a.warc.gz", [("http://site/p", page)]))
    assert rows[0]["page_license"] == "http://site/b/terms"


def test_addresses_that_are_not_of_the_web_have_a_reason(tmp_path: Path) -> None:
    addresses = ("data:image/gif;base64,AA", "blob:http://site/1", "javascript:void(0)", "ftp://site/a.jpg")
    page = "".join(f'<img src="{address}" alt="a dog">' for address in addresses)
    rows, _ = read(write_warc(tmp_path / "a.warc.gz", [("http://site/p", page)]))
    assert [row["drop_reason"] for row in rows] == ["unsupported_scheme"] * 4


def test_a_base_of_javascript_is_ignored(tmp_path: Path) -> None:
    page = '<base href="javascript:alert(1)"><img src="a.jpg" alt="a dog">'
    rows, _ = read(write_warc(tmp_path / "a.warc.gz", [("http://site/p", page)]))
    assert [(row["url"], row["drop_reason"]) for row in rows] == [("http://site/a.jpg", None)]


IMAGE = '<img src="a.jpg" alt="a dog">'
BAD_PAGES = {
    "ten megabytes in a line": "<p>" + "word " * 2_000_000 + IMAGE,
    "a hundred thousand nested tags": "<div>" * 100_000 + IMAGE,
    "nested figures, parsed whole": "<figure>" * 20_000 + IMAGE,
    "null bytes": "<p>\0\0</p>\0" + IMAGE + "\0",
    "an unclosed comment behind": IMAGE + "<!--" + IMAGE,
    "an unclosed quote behind": IMAGE + '<img alt="' + IMAGE[:-2],
}


@pytest.mark.parametrize("what", BAD_PAGES)
def test_a_bad_page_gives_its_image_and_the_next_page_its_own(tmp_path: Path, what: str) -> None:
    pages = [("http://site/bad", BAD_PAGES[what]), ("http://site/good", IMAGE)]
    rows, counts = read(write_warc(tmp_path / "a.warc.gz", pages))
    assert [row["page_url"] for row in rows] == ["http://site/bad", "http://site/good"]
    assert counts == {"records": 2, "pages": 2}


def test_a_page_too_long_to_be_parsed_whole_is_counted(tmp_path: Path) -> None:
    pages = [("http://site/bad", "<figure><img>" + "x" * (17 << 20)), ("http://site/good", IMAGE)]
    rows, counts = read(write_warc(tmp_path / "a.warc.gz", pages))
    assert [row["page_url"] for row in rows] == ["http://site/good"]
    assert counts == {"records": 2, "pages": 1, "oversized_pages": 1}


def test_a_page_in_a_wrong_charset_costs_only_its_letters(tmp_path: Path) -> None:
    path = write_warc(tmp_path / "a.warc", [("http://site/p", IMAGE)], gzip=False)
    path.write_bytes(path.read_bytes().replace(b"a dog", b"caf\xe9s"))
    rows, counts = read(path)
    assert [row["text"] for row in rows] == ["caf\ufffds"]
    assert counts == {"records": 1, "pages": 1}


@pytest.mark.parametrize("charset", ["utf-16le", "iso-2022-jp"])
def test_an_image_is_seen_in_charsets_that_hide_it(tmp_path: Path, charset: str) -> None:
    path = tmp_path / "a.warc"
    header = [("Content-Type", f"text/html; charset={charset}")]
    if charset == "utf-16le":
        write_warc(path, [("http://site/p", IMAGE.encode(charset).decode("latin-1"))], header, gzip=False)
    else:
        write_warc(path, [("http://site/p", "<\x1b(Bimg src=a.jpg alt='a dog'>")], header, gzip=False)
    rows, counts = read(path)
    assert [row["text"] for row in rows] == ["a dog"]
    assert counts == {"records": 1, "pages": 1}


def test_a_page_of_very_many_images_comes_in_batches(tmp_path: Path) -> None:
    images = 20_000
    page = "".join(f'<img src="{n}.jpg" alt="dog {n}">' for n in range(images))
    path = write_warc(tmp_path / "a.warc.gz", [("http://site/p", page)])
    batches = read_candidates(str(path), "wit-builder", lambda what: None)
    assert next(batches).num_rows == ROWS_PER_BATCH
    tracemalloc.start()
    rows = ROWS_PER_BATCH + sum(batch.num_rows for batch in batches)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == images
    assert peak < 8 << 20  # all pairs at once would take 20 MB


@pytest.mark.skipif(not DATA, reason="WIT_TEST_DATA names no folder with warc/warcio_edge_cases.tar.gz")
def test_warcio_edge_cases_are_read_or_named(tmp_path: Path) -> None:
    with tarfile.open(f"{DATA}/warc/warcio_edge_cases.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 16
    for path in files:
        with suppress(UserError):
            read(path)
