from pathlib import Path

import pyarrow as pa
import pytest

from wit_builder.errors import UserError
from wit_builder.exclude import ExcludeList
from wit_builder.hashing import uid_of

ROWS = pa.table(
    {
        "uid": [uid_of(str(number), "") for number in range(6)],
        "url": [
            "https://a.org/1.jpg",
            "https://img.a.org/2.jpg",
            "https://ba.org/3.jpg",
            "http://b.org:8080/4.jpg",
            "http://b.org:9090/5.jpg",
            "https://c.org/6.jpg",
        ],
        "sha256": ["11" * 32, "22" * 32, None, "44" * 32, "55" * 32, "66" * 32],
        "phash": ["00" * 32, "0f" * 32, None, "f0" * 32, "ff" * 32, "ff" * 30 + "00ff"],
    }
)


def listed(tmp_path: Path, text: str) -> list[str | None]:
    path = tmp_path / "list.txt"
    path.write_text(text)
    grounds: list[str | None] = ExcludeList.read([str(path)]).grounds(ROWS).to_pylist()
    return grounds


@pytest.mark.parametrize(
    ("entry", "rows"),
    [
        (f"uid:{uid_of('2', '')}", [2]),
        ("url:https://a.org/1.jpg", [0]),
        ("https://a.org/1.jpg", [0]),
        ("https://a.org/1.jpg?", []),
        ("host:a.org", [0, 1]),
        ("host:img.a.org", [1]),
        ("host:A.ORG", [0, 1]),
        ("host:b.org:8080", [3]),
        ("host:b.org", [3, 4]),
        ("host:org", [0, 1, 2, 3, 4, 5]),
        (f"sha256:{'44' * 32}", [3]),
        (f"phash:{'ff' * 32}", [4, 5]),
        (f"phash:{'00' * 31}ff", [0]),
        ("# nothing", []),
    ],
)
def test_an_entry_excludes_what_it_names(tmp_path: Path, entry: str, rows: list[int]) -> None:
    grounds = listed(tmp_path, f"\n{entry}  # why\n")
    assert [row for row, ground in enumerate(grounds) if ground] == rows
    assert {ground.partition(":")[0] for ground in grounds if ground} <= {entry.partition(":")[0], "url"}


def test_lists_are_read_as_one_and_written_sorted(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("host:b.org\nhttps://a.org/1.jpg\n")
    (tmp_path / "b").write_text(f"host:a.org\nsha256:{'AB' * 32}\n")
    both = ExcludeList.read([str(tmp_path / "a"), str(tmp_path / "b")])
    assert len(both) == 4
    assert both.text().decode().splitlines() == [
        "host:a.org",
        "host:b.org",
        f"sha256:{'ab' * 32}",
        "url:https://a.org/1.jpg",
    ]
    assert len(both.with_entries("uid", ["0" * 32])) == 5


@pytest.mark.parametrize("entry", ["a.org", "uid:12", "phash:zz", "host:", "url:ftp://a", "f" * 64])
def test_a_line_that_is_no_entry_is_named(tmp_path: Path, entry: str) -> None:
    with pytest.raises(UserError, match=r"list.txt, line 2: .* is no entry; write uid:"):
        listed(tmp_path, f"host:a.org\n{entry}\n")
