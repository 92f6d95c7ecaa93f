import gzip
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest
from moto.server import ThreadedMotoServer

from wit_builder import manifest, storage
from wit_builder.errors import UserError
from wit_builder.parts import list_parts, part_path, read_table, write_part


def test_a_file_appears_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file"
    with storage.write_file(str(path)) as handle:
        handle.write(b"all")
        assert not path.exists()
    assert path.read_bytes() == b"all"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_an_error_inside_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), storage.write_file(str(tmp_path / "file")) as handle:
        handle.write(b"half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_name_may_depend_on_the_content(tmp_path: Path) -> None:
    written = hashlib.sha256()
    with storage.write_file_named_last(str(tmp_path), lambda: written.hexdigest()[:8]) as handle:
        handle.write(b"bytes")
        written.update(b"bytes")
    assert (tmp_path / hashlib.sha256(b"bytes").hexdigest()[:8]).read_bytes() == b"bytes"


def test_a_folder_that_cannot_be_written_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match=r"cannot write into .*/file/inside"):
        storage.write_bytes(str(tmp_path / "file" / "inside" / "x"), b"")


def test_expand_lists_globs_in_order_and_refuses_nothing_found(tmp_path: Path) -> None:
    for name in ("b.gz", "a.gz", "c.txt"):
        (tmp_path / name).write_bytes(b"")
    assert storage.expand(str(tmp_path / "*.gz")) == [str(tmp_path / "a.gz"), str(tmp_path / "b.gz")]
    with pytest.raises(UserError, match="no file matches"):
        storage.expand(str(tmp_path / "*.warc"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for read in (storage.open_read, storage.size):
        with pytest.raises(UserError, match=r"gone does not exist"):
            read(str(tmp_path / "gone"))


def test_a_path_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UserError, match="nosuch://x"):
        storage.exists("nosuch://x")


def test_a_range_is_read_exactly(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(100)))
    assert storage.read_range(str(tmp_path / "file"), 10, 5) == bytes(range(10, 15))


def test_in_memory_filesystem_behaves_as_an_object_store() -> None:
    storage.write_bytes("memory://bucket/folder/a.txt", gzip.compress(b"x"))
    assert storage.list_dir("memory://bucket/folder", ".txt") == ["memory:///bucket/folder/a.txt"]
    assert gzip.decompress(storage.read_bytes("memory://bucket/folder/a.txt")) == b"x"
    storage.remove("memory://bucket/folder/a.txt")
    assert not storage.exists("memory://bucket/folder/a.txt")


def test_a_remote_artifact_is_copied_once_and_checked() -> None:
    data = b"vocabulary"
    digest = hashlib.sha256(data).hexdigest()
    storage.write_bytes("memory://bucket/matcher", data)
    copy = storage.local_copy("memory://bucket/matcher", digest)
    assert Path(copy).read_bytes() == data
    storage.remove("memory://bucket/matcher")
    assert storage.local_copy("memory://bucket/matcher", digest) == copy
    storage.write_bytes("memory://bucket/matcher", b"other")
    with pytest.raises(UserError, match="is not the file with SHA-256"):
        storage.local_copy("memory://bucket/matcher", hashlib.sha256(b"third").hexdigest())


def test_leftovers_of_a_kill_are_removed(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for name in (".tmp-abc", "below/.tmp-def", "kept"):
        (tmp_path / name).write_bytes(b"")
    storage.remove_leftovers(str(tmp_path))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["below", "kept"]
    storage.remove_leftovers(str(tmp_path / "gone"))


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        fsspec.filesystem("s3").mkdir("wit")
        yield "s3://wit"
        fsspec.filesystem("s3").clear_instance_cache()
    server.stop()


def test_an_object_store_serves_as_a_folder(bucket: str) -> None:
    folder = f"{bucket}/match"
    manifest.begin(folder, "match", {"seed": 1}, {})
    name = part_path(folder, 0, 1)
    assert storage.list_dir(folder, ".parquet") == []
    assert not storage.exists(name)
    with write_part(name, pa.schema([("x", pa.int64())])) as part:
        part.write(pa.record_batch({"x": [1, 2, 3]}))
    assert list_parts(folder) == [name]
    assert read_table(name).column("x").to_pylist() == [1, 2, 3]
    manifest.finish(folder, manifest.sum_footers([name]), [name])
    assert manifest.require_complete(folder, "match")["counts"]["rows_out"] == 3
    assert storage.expand(f"{folder}/*.parquet") == [name]
    assert len(storage.read_range(name, 4, 10)) == 10


def test_a_file_that_another_process_wrote_is_seen_at_once(bucket: str) -> None:
    assert storage.list_dir(f"{bucket}/out") == []
    code = "import sys; from wit_builder import storage; storage.write_bytes(sys.argv[1], b'there')"
    subprocess.run([sys.executable, "-c", code, f"{bucket}/out/part"], check=True)
    assert storage.exists(f"{bucket}/out/part")
    assert storage.read_bytes(f"{bucket}/out/part") == b"there"
