import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wit_builder.errors import UserError
from wit_builder.hashing import uid_of
from wit_builder.parts import (
    PartSummary,
    list_parts,
    part_path,
    read_batches,
    read_summary,
    read_table,
    write_part,
)
from wit_builder.records import DropReason

SCHEMA = pa.schema([("uid", pa.string()), ("x", pa.int32())])


def batch(start: int, rows: int) -> pa.RecordBatch:
    numbers = list(range(start, start + rows))
    return pa.record_batch(
        {"uid": [uid_of(str(n), "t") for n in numbers], "x": pa.array(numbers, pa.int32())}
    )


def reasons(rows: int) -> pa.Array:
    return pa.array(["even" if n % 2 == 0 else None for n in range(rows)], pa.string())


def test_the_footer_accounts_for_every_row(tmp_path: Path) -> None:
    path = part_path(str(tmp_path), 0, 1)
    with write_part(path, SCHEMA) as part:
        part.write(batch(0, 10), reasons(10))
        part.write(batch(10, 5))
        part.drop(DropReason.OVER_CAP, 3)
        part.count("pages", 2)
    assert read_summary(path) == PartSummary(18, 10, {"even": 5, "over_cap": 3}, {"pages": 2})
    assert read_table(path).column("x").to_pylist() == [1, 3, 5, 7, 9, 10, 11, 12, 13, 14]
    assert [b.num_rows for b in read_batches([path], ["x"], 4)] == [4, 4, 2]


def test_the_same_rows_give_the_same_bytes_however_they_are_batched(tmp_path: Path) -> None:
    written = []
    for name, size in (("a", 1), ("b", 100)):
        path = str(tmp_path / name / "part-00000-of-00001.parquet")
        with write_part(path, SCHEMA) as part:
            for start in range(0, 200, size):
                part.write(batch(start, size), pa.nulls(size, pa.string()))
        written.append(Path(path).read_bytes())
    assert written[0] == written[1]


def test_all_rejects_or_a_thousandth_of_them_are_written(tmp_path: Path) -> None:
    for all_rejects, least, most in ((True, 10_000, 10_000), (False, 1, 40)):
        path = part_path(str(tmp_path / str(all_rejects)), 0, 1)
        with write_part(path, SCHEMA, all_rejects=all_rejects) as part:
            part.write(batch(0, 20_000), reasons(20_000))
        rejects = pq.read_table(re.sub(r"/part", "/rejects/part", path))
        assert least <= rejects.num_rows <= most
        assert rejects.column_names == ["uid", "x", "drop_reason"]
        assert set(rejects.column("drop_reason").to_pylist()) == {"even"}


def test_an_error_inside_commits_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), write_part(part_path(str(tmp_path), 0, 1), SCHEMA) as part:
        part.write(batch(0, 10))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_summaries_add_up_and_chain() -> None:
    first = PartSummary(10, 6, {"a": 4}, {"n": 1})
    second = PartSummary(6, 5, {"a": 1}, {})
    assert first + second == PartSummary(16, 11, {"a": 5}, {"n": 1})
    assert first.then(second) == PartSummary(10, 5, {"a": 5}, {"n": 1})


def test_what_is_no_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "part-0.parquet").write_bytes(b"nonsense")
    with pytest.raises(UserError, match=r"part-0\.parquet is not a readable Parquet file"):
        read_table(str(tmp_path / "part-0.parquet"))
    pq.write_table(pa.table({"x": [1]}), tmp_path / "part-1.parquet")
    with pytest.raises(UserError, match="no part of a stage"):
        read_summary(str(tmp_path / "part-1.parquet"))
    with pytest.raises(UserError, match=r"has no part-\*\.parquet"):
        list_parts(str(tmp_path / "empty"))
