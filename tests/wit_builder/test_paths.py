import gzip
from pathlib import Path

import pytest

from wit_builder.errors import UserError
from wit_builder.paths import expand_archives


def test_paths_globs_and_lists_give_each_archive_once(tmp_path: Path) -> None:
    for name in ("a.warc.gz", "b.warc.gz"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "warc.paths.gz").write_bytes(gzip.compress(b"x/1.warc.gz\nx/2.warc.gz\n"))
    names = [str(tmp_path / "*.warc.gz"), str(tmp_path / "a.warc.gz"), str(tmp_path / "warc.paths.gz")]
    assert expand_archives(names, "https://host/") == [
        str(tmp_path / "a.warc.gz"),
        str(tmp_path / "b.warc.gz"),
        "https://host/x/1.warc.gz",
        "https://host/x/2.warc.gz",
    ]


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b"")])
def test_a_list_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "warc.paths.gz").write_bytes(content)
    with pytest.raises(UserError, match=r"warc\.paths\.gz"):
        expand_archives([str(tmp_path / "warc.paths.gz")], "https://host/")
