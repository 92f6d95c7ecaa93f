import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.objects import LATENCY, objects
from wit_builder import ranges
from wit_builder.errors import UserError
from wit_builder.ranges import Piece, merge_neighbours, read_pieces
from wit_builder.store import write_store_tar

CONTENT = {name: bytes(range(256)) * 20 for name in "ab"}
PIECES = st.lists(st.builds(Piece, st.sampled_from("ab"), st.integers(0, 4000), st.integers(1, 900)))


@given(PIECES)
def test_requests_hold_each_piece_and_little_else(pieces: list[Piece]) -> None:
    requests = merge_neighbours(pieces)
    assert sorted(number for asked in requests for number in asked.pieces) == list(range(len(pieces)))
    for asked in requests:
        wanted: set[int] = set()
        for number in asked.pieces:
            file, start, size = pieces[number]
            assert file == asked.file
            assert asked.start <= start < start + size <= asked.end
            wanted.update(range(start, start + size))
        assert asked.end - asked.start <= 1.1 * len(wanted)


def test_members_of_a_tar_that_stand_side_by_side_are_one_request() -> None:
    pieces = [Piece("a", 512 + number * 26_112, 25_000) for number in range(100)]
    (asked,) = merge_neighbours(pieces)
    assert (asked.start, asked.end) == (512, 512 + 99 * 26_112 + 25_000)


@given(pieces=PIECES, window=st.integers(1, 3000))
def test_pieces_come_in_their_order(
    pieces: list[Piece], window: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "pieces"
    folder.mkdir(exist_ok=True)
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "WINDOW_BYTES", window)
        found = list(read_pieces(str(folder), pieces))
    assert found == [CONTENT[file][start : start + size] for file, start, size in pieces]


def test_a_cut_or_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(100))
    with pytest.raises(UserError, match=r"a ends before byte 120"):
        list(read_pieces(str(tmp_path), [Piece("a", 90, 30)]))
    with pytest.raises(UserError, match="lacks a file that its index names"):
        list(read_pieces(str(tmp_path), [Piece("c", 0, 1)]))


def test_little_more_is_read_from_an_object_store_than_used(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    tars: list[str] = []
    with write_store_tar(str(tmp_path), "part", tars) as tar:
        images = [random.bytes(size) for size in random.integers(500, 9_000, 300).tolist()]
        places = [tar.append(image, "jpg") for image in images]
    order = random.permutation(300)[:200].tolist()
    pieces = [Piece(tars[0], places[number].offset, places[number].size) for number in order]
    with objects(tmp_path) as server:
        started = time.monotonic()
        assert list(read_pieces(server.url, pieces)) == [images[number] for number in order]
        assert time.monotonic() - started < 0.25 * LATENCY * len(pieces)  # they were in flight together
    assert server.bytes_read <= 1.1 * sum(len(images[number]) for number in order)
    assert server.requests < len(pieces)
