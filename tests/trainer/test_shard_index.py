from pathlib import Path

import numpy as np
import pytest

from tests.trainer.samples import caption, jpeg, write_shards, write_tar
from trainer import kept_index, shard_index
from trainer.shard_index import index_shards
from wit_builder.storage import UserError


def test_reads_any_sample_of_any_shard(tmp_path: Path) -> None:
    index = index_shards(write_shards(tmp_path, (3, 2)), "txt")
    assert [index.read(n) for n in range(5)] == [(jpeg(n), caption(n).encode()) for n in range(5)]
    assert [index.key(n) for n in range(5)] == [
        "000000000", "000000001", "000000002", "000010000", "000010001"
    ]  # fmt: skip
    assert index.name(4) == "00001.tar:000010001"


def test_members_in_any_order_and_any_image_format(tmp_path: Path) -> None:
    write_tar(
        tmp_path / "a.tar",
        {"x/1.txt": b"one", "x/1.json": b"{}", "x/1.PNG": b"p", "2.cls": b"7", "2.webp": b"w"},
    )
    assert index_shards(str(tmp_path), "txt").read(0) == (b"p", b"one")
    assert index_shards(str(tmp_path), "cls").read(0) == (b"w", b"7")
    assert index_shards(str(tmp_path), "cls").incomplete == 1


def test_digest_follows_the_content(tmp_path: Path) -> None:
    first = index_shards(write_shards(tmp_path / "a", (3,)), "txt").digest()
    assert index_shards(write_shards(tmp_path / "b", (3,)), "txt").digest() == first
    assert index_shards(write_shards(tmp_path / "c", (4,)), "txt").digest() != first


def test_no_shards(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no \.tar; give a folder of WebDataset shards"):
        index_shards(str(tmp_path), "txt")


def test_empty_shard(tmp_path: Path) -> None:
    write_shards(tmp_path, (2,))
    write_tar(tmp_path / "00001.tar", {})
    with pytest.raises(UserError, match=r"00001\.tar is empty"):
        index_shards(str(tmp_path), "txt")


@pytest.mark.parametrize("cut", [100, 512, 700, 1600])
def test_truncated_tar_is_named(tmp_path: Path, cut: int) -> None:
    write_shards(tmp_path, (2,))
    whole = (tmp_path / "00000.tar").read_bytes()
    (tmp_path / "00000.tar").write_bytes(whole[:cut])
    with pytest.raises(UserError, match=r"00000\.tar .*; (write|remove)"):
        index_shards(str(tmp_path), "txt")


def test_tar_that_lost_whole_samples_disagrees_with_sizes(tmp_path: Path) -> None:
    write_shards(tmp_path, (3,))
    (tmp_path / "sizes.json").write_text('{"00000.tar": 4}')
    with pytest.raises(UserError, match=r"00000\.tar has 3 samples, sizes\.json says 4"):
        index_shards(str(tmp_path), "txt")


def test_no_complete_sample(tmp_path: Path) -> None:
    write_tar(tmp_path / "0.tar", {"1.jpg": jpeg(1)})
    with pytest.raises(UserError, match=r"no sample in .* has both an image and a \.txt"):
        index_shards(str(tmp_path), "txt")


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep indexes of any size, in a cache of this test's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(kept_index, "WORTH_KEEPING", 1)
    return tmp_path / "cache"


def test_a_kept_index_is_mapped_instead_of_read_again(
    tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_shards(tmp_path / "shards", (3, 2))
    first = index_shards(folder, "txt")
    monkeypatch.delattr(shard_index, "_index_tar")  # no header is read the second time
    again = index_shards(folder, "txt")
    assert isinstance(again.entries, np.memmap)
    assert (again.digest(), again.incomplete) == (first.digest(), first.incomplete)
    assert again.read(4) == first.read(4)


def test_a_kept_index_of_shards_that_changed_is_not_used(tmp_path: Path, kept: Path) -> None:
    folder = write_shards(tmp_path / "shards", (3, 2))
    index_shards(folder, "txt")
    write_tar(
        tmp_path / "shards" / "00001.tar", {"a.jpg": jpeg(8), "a.txt": b"x", "b.jpg": b"", "b.txt": b""}
    )
    assert index_shards(folder, "txt").read(3) == (jpeg(8), b"x")


def test_small_indexes_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    index_shards(write_shards(tmp_path / "shards", (3,)), "txt")
    assert not (tmp_path / "cache").exists()
