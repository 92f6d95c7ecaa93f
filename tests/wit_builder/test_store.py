import hashlib
from pathlib import Path

from tests.store import write_store
from wit_builder import storage, store
from wit_builder.parts import read_table


def test_a_tar_carries_its_hash_and_the_index_points_into_it(tmp_path: Path) -> None:
    folder = write_store(tmp_path, 3, failed=1)
    (tar,) = folder.glob("*.tar")
    assert tar.stem == f"part-000-00000-{hashlib.sha256(tar.read_bytes()).hexdigest()[:16]}"
    rows = read_table(str(folder / "part-000-00000.parquet")).to_pylist()
    assert [row["store_file"] for row in rows] == [tar.name] * 3 + [None]
    for row in rows[:3]:
        image = storage.read_range(str(tar), row["store_offset"], row["store_size"])
        assert image.startswith(b"\xff\xd8")
        assert image.endswith(b"\xff\xd9")


def test_tars_that_no_index_names_are_swept(tmp_path: Path) -> None:
    folder = write_store(tmp_path, 2)
    (folder / "part-000-00001-0123456789abcdef.tar").write_bytes(b"left by a kill")
    assert store.sweep_orphans(str(folder)) == 1
    assert len(list(folder.glob("*.tar"))) == 1
    assert store.sweep_orphans(str(folder)) == 0
