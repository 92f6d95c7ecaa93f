from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.store import write_store
from wit_builder.check import CheckReport, check_dataset
from wit_builder.duplicates import keep_one_per_image
from wit_builder.errors import UserError
from wit_builder.exclude import ExcludeList
from wit_builder.parts import read_table
from wit_builder.ranges import read_pieces
from wit_builder.shard_files import read_members
from wit_builder.shards import ShardPlan, write_shard
from wit_builder.tar import TarWriter


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    store = write_store(tmp_path / "store", 20, failed=2)
    rows, _ = keep_one_per_image(read_table(str(store / "part-000-00000.parquet")), 0, merge_texts=False)
    plan = ShardPlan(train=1, holdout=0, holdout_share=0.0, seed=0)
    write_shard(
        str(tmp_path / "data"),
        0,
        plan,
        plan.in_order(rows)[0],
        partial(read_pieces, str(store)),
        ExcludeList(),
    )
    return tmp_path / "data"


def check(dataset: Path, cap: int | None = None) -> CheckReport:
    *_, report = check_dataset(str(dataset), cap)
    return report


def test_a_sound_dataset_has_no_defects_and_a_digest(dataset: Path) -> None:
    report = check(dataset, 4)
    assert (report.shards, report.samples, report.defects) == (1, 20, [])
    assert report.members == 60
    assert report.digest == check(dataset).digest
    assert max(report.selected.values()) == 4


def test_more_than_the_cap_is_a_defect(dataset: Path) -> None:
    assert "selected 4 samples, more than 3" in check(dataset, 3).defects[0]


def cut(dataset: Path) -> None:
    tar = dataset / "00000.tar"
    tar.write_bytes(tar.read_bytes()[:-2000])


def spoil_a_jpeg(dataset: Path) -> None:
    tar = dataset / "00000.tar"
    data = tar.read_bytes()
    at = data.index(b"\xff\xd8")
    tar.write_bytes(data[:at] + bytes(20) + data[at + 20 :])


def lose_the_sidecar(dataset: Path) -> None:
    (dataset / "00000.parquet").unlink()


def change_a_caption(dataset: Path) -> None:
    path = dataset / "00000.parquet"
    table = pq.read_table(path)
    captions = ["another", *table.column("caption").to_pylist()[1:]]
    pq.write_table(table.set_column(1, "caption", [captions]), path)


def drop_a_row(dataset: Path) -> None:
    path = dataset / "00000.parquet"
    table = pq.read_table(path)
    first = table.column("status").to_pylist().index("success")
    pq.write_table(table.filter([row != first for row in range(table.num_rows)]), path)


def lose_the_tar(dataset: Path) -> None:
    (dataset / "00001.parquet").write_bytes((dataset / "00000.parquet").read_bytes())


def tell_other_sizes(dataset: Path) -> None:
    (dataset / "sizes.json").write_text('{"00000.tar": 19}')


def tell_other_stats(dataset: Path) -> None:
    (dataset / "00000_stats.json").write_text('{"successes": 3}')


def add_the_shard_again(dataset: Path) -> None:
    for suffix in (".tar", ".parquet"):
        (dataset / f"00001{suffix}").write_bytes((dataset / f"00000{suffix}").read_bytes())


def change_the_width(dataset: Path) -> None:
    path = dataset / "00000.parquet"
    table = pq.read_table(path)
    at = table.column_names.index("width")
    pq.write_table(table.set_column(at, "width", [[7] * table.num_rows]), path)


def part_a_sample(dataset: Path) -> None:
    tar = dataset / "00000.tar"
    with tar.open("rb") as handle:
        members = list(read_members(handle))
    with tar.open("wb") as handle:
        writer = TarWriter(handle)
        for name, data in [*members[1:], members[0]]:
            writer.add(name, data)
        writer.close()


def write_nonsense(dataset: Path) -> None:
    (dataset / "00000.tar").write_bytes(b"nonsense" * 1000)


@pytest.mark.parametrize(
    ("damage", "defect"),
    [
        (cut, "the tar is cut"),
        (spoil_a_jpeg, "its image cannot be decoded"),
        (lose_the_sidecar, "is missing"),
        (change_a_caption, "its txt is not the sidecar's caption"),
        (drop_a_row, "is in the tar but not in the sidecar"),
        (write_nonsense, "no readable tar"),
        (tell_other_sizes, "sizes.json: it does not tell the samples"),
        (tell_other_stats, "00000_stats.json: it does not tell the 20 samples"),
        (add_the_shard_again, "is also"),
        (change_the_width, "its image is"),
        (part_a_sample, "do not stand together"),
        (lose_the_tar, "its tar is missing"),
    ],
)
def test_each_damage_is_named(dataset: Path, damage: Callable[[Path], None], defect: str) -> None:
    damage(dataset)
    assert any(defect in line for line in check(dataset).defects)


def test_a_folder_without_shards_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no \*\.tar"):
        check(tmp_path)


def test_somebody_elses_dataset_needs_no_uids_or_queries(dataset: Path) -> None:
    path = dataset / "00000.parquet"
    table = pq.read_table(path).drop_columns(["uid", "selected_query_ids"])
    pq.write_table(table, path)
    report = check(dataset)
    assert report.members == 60
    assert {"another uid" in defect for defect in report.defects} == {True}  # only the json still has one
