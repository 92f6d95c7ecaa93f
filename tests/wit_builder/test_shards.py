import json
import tarfile
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.store import write_store
from wit_builder.duplicates import keep_one_per_image
from wit_builder.exclude import ExcludeList
from wit_builder.hashing import uid_of
from wit_builder.parts import read_summary, read_table
from wit_builder.ranges import read_pieces
from wit_builder.shard_files import remove_samples, shard_paths, write_sizes
from wit_builder.shards import ShardPlan, ShardRuns, shard_of, write_shard

PLAN = ShardPlan(train=2, holdout=1, holdout_share=0.2, seed=0)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    folder = write_store(tmp_path_factory.mktemp("store"), 60, repeated=10, failed=5)
    table = read_table(str(folder / "part-000-00000.parquet"))
    unique, _ = keep_one_per_image(table, 0, merge_texts=False)
    return unique.replace_schema_metadata({"folder": str(folder)})


def write_all(
    index: pa.Table, rows: pa.Table, dataset: Path, plan: ShardPlan, exclude: ExcludeList | None = None
) -> list[str]:
    rows, shards = plan.in_order(rows)
    read = partial(read_pieces, index.schema.metadata[b"folder"].decode())
    for shard in range(plan.shards):
        of_shard = rows.filter(pa.array(shards == shard))
        write_shard(str(dataset), shard, plan, of_shard, read, exclude or ExcludeList())
    return [shard_paths(str(dataset), plan.prefix(shard))["parquet"] for shard in range(plan.train)]


def contents(dataset: Path) -> dict[str, bytes]:
    return {str(path.relative_to(dataset)): path.read_bytes() for path in dataset.rglob("*.*")}


def test_shards_have_img2datasets_shape(index: pa.Table, tmp_path: Path) -> None:
    sidecars = write_all(index, index, tmp_path, PLAN)
    sidecar = pa.concat_tables([read_table(path) for path in sidecars])
    with tarfile.open(tmp_path / "00000.tar") as archive:
        names = archive.getnames()
        first = names[0].partition(".")[0]
        described = json.load(archive.extractfile(f"{first}.json"))  # type: ignore[arg-type]
        caption = archive.extractfile(f"{first}.txt").read().decode()  # type: ignore[union-attr]
    row = sidecar.filter(pc.equal(sidecar.column("key"), first)).to_pylist()[0]
    assert [name.partition(".")[2] for name in names] == ["jpg", "txt", "json"] * (len(names) // 3)
    assert first.startswith("00000")
    assert caption == row["caption"] == described["caption"]
    assert described == row
    assert {
        "url",
        "caption",
        "key",
        "status",
        "error_message",
        "width",
        "height",
        "sha256",
    } <= described.keys()
    volatile = {"fetched_at", "captured_at", "archive", "archive_offset", "store_file", "store_offset"}
    assert not volatile & described.keys()
    stats = json.loads((tmp_path / "00000_stats.json").read_text())
    summary = read_summary(sidecars[0])
    assert (stats["count"], stats["successes"]) == (summary.rows_in, summary.rows_out)
    assert summary.rows_in == summary.rows_out + sum(summary.dropped.values())
    assert write_sizes(str(tmp_path), sidecars) == sum(read_summary(path).rows_out for path in sidecars)
    sizes = json.loads((tmp_path / "sizes.json").read_text())
    assert sizes == {
        "00000.tar": read_summary(sidecars[0]).rows_out,
        "00001.tar": read_summary(sidecars[1]).rows_out,
    }


def test_the_same_rows_in_another_order_give_the_same_bytes(index: pa.Table, tmp_path: Path) -> None:
    write_all(index, index, tmp_path / "a", PLAN)
    mixed = index.take(pa.array(np.random.default_rng(0).permutation(65)))
    write_all(index, mixed, tmp_path / "b", PLAN)
    assert len(contents(tmp_path / "a")) == 9
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_what_is_excluded_leaves_a_gap_and_nothing_else_moves(index: pa.Table, tmp_path: Path) -> None:
    exclude = ExcludeList().with_entries("url", index.column("url").to_pylist()[::5])
    sidecars = write_all(index, index, tmp_path / "all", PLAN)
    write_all(index, index, tmp_path / "some", PLAN, exclude)
    every, fewer = (read_table(f"{tmp_path}/{name}/00000.parquet") for name in ("all", "some"))
    stays = pc.invert(pc.is_in(every.column("url"), pa.array(sorted(exclude.of("url")))))
    assert 0 < fewer.num_rows < every.num_rows
    assert fewer.equals(every.filter(stays))
    summary = read_summary(f"{tmp_path}/some/00000.parquet")
    assert summary.rows_in == read_summary(sidecars[0]).rows_in
    assert summary.dropped["excluded"] == every.num_rows - fewer.num_rows


def test_removed_later_gives_the_same_bytes_as_never_written(index: pa.Table, tmp_path: Path) -> None:
    uids = index.column("uid").to_pylist()
    write_all(index, index, tmp_path / "later", PLAN)
    for start in (1, 3):  # two removals, the second of some that are gone already
        for prefix in ("00000", "00001", "holdout/00000"):
            remove_samples(f"{tmp_path}/later/{prefix}.parquet", pa.array(uids[1::4] + uids[start::4]))
    never = ExcludeList().with_entries("uid", uids[1::4] + uids[3::4])
    write_all(index, index, tmp_path / "never", PLAN, never)
    assert contents(tmp_path / "later") == contents(tmp_path / "never")


def test_runs_hold_every_shard_once() -> None:
    for shards, count in [(1, 1), (7, 3), (40, 40), (10, 4)]:
        runs = ShardRuns(shards, count)
        members = [list(runs.members(run)) for run in range(count)]
        assert [shard for run in members for shard in run] == list(range(shards))
        numbers = np.arange(shards)
        assert runs.run_of(numbers).tolist() == [run for run in range(count) for _ in members[run]]


def test_every_row_has_one_shard_and_the_holdout_its_share() -> None:
    plan = ShardPlan.for_images(10_000, 256, 0.1, seed=5)
    assert (plan.train, plan.holdout) == (36, 4)
    shards, _ = plan.assign([uid_of(str(number), "text") for number in range(10_000)])
    assert set(shards.tolist()) == set(range(40))
    assert 800 < (shards >= plan.train).sum() < 1200
    assert plan.prefix(36) == "holdout/00000"
    assert [shard_of(f"/data/{plan.prefix(shard)}.parquet", plan) for shard in range(40)] == list(range(40))
