import json
import tarfile
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.store import write_store
from wit_builder import storage
from wit_builder.hashing import uid_of
from wit_builder.parts import read_summary, read_table
from wit_builder.shards import (
    ShardPlan,
    bucket_of,
    drop_duplicate_images,
    shard_paths,
    write_shard,
    write_sizes,
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    folder = write_store(tmp_path_factory.mktemp("store"), 60, repeated=10, failed=5)
    table = read_table(str(folder / "part-000-00000.parquet"))
    return table.replace_schema_metadata({"folder": str(folder)})


def read_image(folder: str, tar: str, offset: int, size: int) -> bytes:
    return storage.read_range(f"{folder}/{tar}", offset, size)


def write_all(index: pa.Table, rows: pa.Table, dataset: Path, plan: ShardPlan) -> list[str]:
    shards, _ = plan.assign(rows.column("uid"))
    read = partial(read_image, index.schema.metadata[b"folder"].decode())
    for shard in range(plan.train + plan.holdout):
        write_shard(str(dataset), shard, plan, rows.filter(pa.array(shards == shard)), read)
    return [shard_paths(str(dataset), plan.prefix(shard))["parquet"] for shard in range(plan.train)]


def test_one_pair_stays_per_image_and_refusals_go(index: pa.Table) -> None:
    rows, dropped = drop_duplicate_images(index, seed=0)
    assert dropped == {"duplicate_image": 10}
    digests = rows.column("sha256").drop_null().to_pylist()
    assert (len(digests), len(set(digests)), rows.num_rows) == (60, 60, 65)
    refused = index.set_column(
        index.schema.get_field_index("opt_out"), "opt_out", pa.array(["meta robots: noai"] * 75)
    )
    rows, dropped = drop_duplicate_images(refused, seed=0)
    assert (rows.num_rows, dropped) == (0, {"opted_out": 75})


def test_the_choice_between_duplicates_does_not_depend_on_order(index: pa.Table) -> None:
    rows, _ = drop_duplicate_images(index, seed=3)
    backwards, _ = drop_duplicate_images(index.take(pa.array(np.arange(75)[::-1])), seed=3)
    assert rows.equals(backwards)


def test_equal_images_meet_in_one_bucket(index: pa.Table) -> None:
    (batch,) = index.combine_chunks().to_batches()
    buckets = bucket_of(batch, 7)
    by_digest: dict[str, set[int]] = {}
    for digest, bucket in zip(batch.column("sha256").to_pylist(), buckets.tolist(), strict=True):
        by_digest.setdefault(digest, set()).add(bucket)
    assert all(len(found) == 1 for digest, found in by_digest.items() if digest)


def test_shards_have_img2datasets_shape(index: pa.Table, tmp_path: Path) -> None:
    rows, _ = drop_duplicate_images(index, seed=0)
    plan = ShardPlan(train=2, holdout=1, holdout_share=0.2, seed=0)
    sidecars = write_all(index, rows, tmp_path, plan)
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
    rows, _ = drop_duplicate_images(index, seed=0)
    plan = ShardPlan(train=2, holdout=1, holdout_share=0.2, seed=0)
    write_all(index, rows, tmp_path / "a", plan)
    write_all(index, rows.take(pa.array(np.random.default_rng(0).permutation(65))), tmp_path / "b", plan)
    written = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert len(written) == 9
    for path in written:
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()


def test_every_row_has_one_shard_and_the_holdout_its_share() -> None:
    plan = ShardPlan.for_images(10_000, 256, 0.1, seed=5)
    assert (plan.train, plan.holdout) == (36, 4)
    shards, _ = plan.assign([uid_of(str(number), "text") for number in range(10_000)])
    assert set(shards.tolist()) == set(range(40))
    assert 800 < (shards >= plan.train).sum() < 1200
    assert plan.prefix(36) == "holdout/00000"
