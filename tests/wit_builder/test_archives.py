import gzip
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.archives import write_warc
from wit_builder import archives
from wit_builder.archives import Record, read_records, slices_of

RESPONSES = frozenset((b"response",))
PAGES = [
    (f"http://site/{n}", f"<p>{n}" + random.Random(n).randbytes(40 + 2_000 * (n % 5)).hex())
    for n in range(40)
]


def read(path: Path, start: int = 0, end: int | None = None) -> tuple[list[Record], Counter[str]]:
    counts: Counter[str] = Counter()
    records = list(read_records(str(path), RESPONSES, lambda what: counts.update([what]), start, end))
    return records, counts


def urls(records: list[Record]) -> list[str]:
    return [record.fields[b"warc-target-uri"].decode() for record in records]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_warc(tmp_path_factory.mktemp("archive") / "a.warc.gz", PAGES)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_warc(tmp_path_factory.mktemp("archive") / "a.warc", PAGES, gzip=False)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("kind", ["packed", "plain"])
def test_slices_together_give_the_records_of_the_whole(
    kind: str, packed: Path, plain: Path, data: st.DataObject
) -> None:
    path = packed if kind == "packed" else plain
    size = path.stat().st_size
    offsets = [record.offset for record in read(path)[0]]
    near = st.sampled_from(offsets).flatmap(lambda o: st.integers(max(0, o - 5), min(size, o + 5)))
    cuts = sorted(data.draw(st.sets(st.one_of(st.integers(0, size), near), max_size=8)) | {0, size})
    parts = [read(path, start, end)[0] for start, end in pairwise(cuts)]
    assert [record for part in parts for record in part] == read(path)[0]
    for part, (start, end) in zip(parts, pairwise(cuts), strict=True):
        assert all(start <= record.offset < end for record in part)


def test_slices_cover_the_file(packed: Path, tmp_path: Path) -> None:
    size = packed.stat().st_size
    slices = slices_of(str(packed), 10_000)
    assert slices[0][0] == 0
    assert slices[-1][1] == size
    assert all(end == start for (_, end), (start, _) in pairwise(slices))
    (tmp_path / "a.warc.zst").write_bytes(b"x" * 30_000)
    assert slices_of(str(tmp_path / "a.warc.zst"), 10_000) == [(0, 30_000)]


def test_a_file_of_one_member_belongs_to_the_first_slice(plain: Path, tmp_path: Path) -> None:
    path = tmp_path / "one.warc.gz"
    path.write_bytes(gzip.compress(plain.read_bytes()))
    half = path.stat().st_size // 2
    assert urls(read(path, 0, half)[0]) == [url for url, _ in PAGES]
    assert read(path, half, None) == ([], {})


@pytest.mark.parametrize("frames", ["one", "many", "dictionary"])
def test_zstd_archives_are_read(frames: str, packed: Path, plain: Path, tmp_path: Path) -> None:
    path, content = tmp_path / "a.warc.zst", plain.read_bytes()
    offsets = [*(record.offset for record in read(plain)[0]), len(content)]
    if frames == "one":
        path.write_bytes(zstandard.compress(content))
    else:
        dictionary = zstandard.ZstdCompressionDict(b"WARC-Type: response\r\nContent-Type: text/html " * 20)
        packer = zstandard.ZstdCompressor(dict_data=dictionary if frames == "dictionary" else None)
        head = dictionary.as_bytes() if frames == "dictionary" else b""
        head = b"\x5d\x2a\x4d\x18" + len(head).to_bytes(4, "little") + head if head else b""
        members = [packer.compress(content[first:last]) for first, last in pairwise(offsets)]
        path.write_bytes(head + b"".join(members))
    records, counts = read(path)
    assert urls(records) == [url for url, _ in PAGES]
    assert not counts


@pytest.mark.parametrize("at", [1, 200, -10])
def test_a_damaged_member_costs_only_itself(at: int, packed: Path, tmp_path: Path) -> None:
    offsets = [record.offset for record in read(packed)[0]]
    content = bytearray(packed.read_bytes())
    place = (offsets[7] if at > 0 else offsets[8]) + at
    content[place : place + 3] = b"\0\xff\0"
    (tmp_path / "a.warc.gz").write_bytes(content)
    records, counts = read(tmp_path / "a.warc.gz")
    assert urls(records) == [url for n, (url, _) in enumerate(PAGES) if n != 7]
    assert counts == {"damaged_places": 1}


def test_garbage_between_members_costs_nothing(packed: Path, tmp_path: Path) -> None:
    offset = read(packed)[0][7].offset
    content = packed.read_bytes()
    (tmp_path / "a.warc.gz").write_bytes(content[:offset] + b"\x1f\x8b\x08 garbage" * 9 + content[offset:])
    records, counts = read(tmp_path / "a.warc.gz")
    assert urls(records) == [url for url, _ in PAGES]
    assert counts == {"damaged_places": 1}


def test_a_bad_header_of_a_plain_record_costs_only_that_record(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "a.warc").write_bytes(
        plain.read_bytes().replace(b"Content-Length: ", b"Content-Length: x", 8).replace(b": x", b": ", 7)
    )
    records, counts = read(tmp_path / "a.warc")
    assert len(records) == len(PAGES) - 1
    assert counts == {"damaged_places": 1}


def test_a_plain_archive_whose_line_ends_were_changed_is_read(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "a.warc").write_bytes(plain.read_bytes().replace(b"\r\n", b"\n"))
    records, counts = read(tmp_path / "a.warc")
    assert urls(records) == [url for url, _ in PAGES][: len(records)]
    assert len(records) >= len(PAGES) - 1
    assert counts["wrong_lengths"] == len(records)
    assert len(records) + counts["truncated_records"] == len(PAGES)


@pytest.mark.parametrize("kind", ["packed", "plain"])
def test_a_cut_archive_loses_its_last_record(kind: str, packed: Path, plain: Path, tmp_path: Path) -> None:
    path = packed if kind == "packed" else plain
    (tmp_path / "a.warc").write_bytes(path.read_bytes()[:-60])
    records, counts = read(tmp_path / "a.warc")
    assert urls(records) == [url for url, _ in PAGES[:-1]]
    assert counts == {"truncated_records": 1}


def test_a_record_too_long_for_a_page_is_passed_over(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 8_000)
    records, counts = read(packed)
    assert counts["oversized_records"] == len(PAGES) - len(records) > 0
    assert all(len(record.body) <= 8_000 for record in records)
