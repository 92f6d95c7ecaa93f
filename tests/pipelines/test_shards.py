"""`wit shards` and `wit remove`: the same bytes whatever is killed, divided, or taken out later."""

import io
import json
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipelines import check, remove, shards, shards_steps
from pipelines.session import Session
from tests.killing import was_killed
from tests.store import finish_fetch, write_store
from wit_builder.errors import UserError
from wit_builder.near_duplicates import read_hashes
from wit_builder.parts import list_parts, read_table

HERE = Session(beam_args=("--direct_num_workers=1",))
PARTS, IMAGES, NEAR, REPEATED, FAILED = 3, 40, 10, 4, 3


def picture(number: int) -> bytes:
    """Forty pictures, of which the last ten are near-duplicates of the first ten."""
    near = number >= IMAGES - NEAR
    seed = number - (IMAGES - NEAR) * near
    pixels = np.random.default_rng(seed).integers(0, 255, (16, 16, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((128, 96), Image.Resampling.BICUBIC).save(
        buffer, "JPEG", quality=60 if near else 90
    )
    return buffer.getvalue()


def url(part: int, number: int) -> str:
    return f"http://host{number % 4}.org/{part}/{number}.jpg"


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three parts: the same pictures under other addresses, so each is there three times."""
    folder = tmp_path_factory.mktemp("fetch")
    for part in range(PARTS):
        write_store(
            folder / "store",
            IMAGES,
            repeated=REPEATED,
            failed=FAILED,
            urls=lambda number, part=part: url(part, number),  # type: ignore[misc]
            pictures=picture,
            part=part,
        )
    return finish_fetch(folder)


def copy_of(fetched: Path, folder: Path) -> Path:
    for path in fetched.rglob("*"):
        if path.is_file():
            target = folder / path.relative_to(fetched)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return folder


def make(store: Path, output: Path, **options: Any) -> dict[str, Any]:
    given = {"samples_per_shard": 8, "holdout": 0.25, **options}
    return shards.run(shards.ShardsOptions(store=str(store), output=str(output), **given), HERE)


@pytest.fixture(scope="module")
def finished(fetched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of all that was fetched; not to be changed."""
    dataset = tmp_path_factory.mktemp("finished") / "data"
    make(fetched, dataset)
    return dataset


def contents(dataset: Path) -> dict[str, bytes]:
    wanted = (".tar", ".parquet", ".json")
    paths = [path for path in dataset.rglob("*") if path.suffix in wanted and path.name != "manifest.json"]
    names = {str(path.relative_to(dataset)): path for path in paths}
    return {
        name: path.read_bytes() for name, path in names.items() if not name.startswith(("removed", "rejects"))
    }


def sidecars(folder: Path) -> pa.Table:
    return pa.concat_tables([read_table(str(path)) for path in sorted(folder.glob("*.parquet"))])


def samples(folder: Path) -> pa.Table:
    rows = sidecars(folder)
    return rows.filter(pc.equal(rows.column("status"), "success"))


def near_pairs(one: pa.Table, other: pa.Table) -> int:
    hashes = [read_hashes(rows.column("phash")) for rows in (one, other)]
    different = np.bitwise_count(hashes[0][:, None] ^ hashes[1][None]).sum(axis=2)
    return int((different <= 16).sum())


def test_near_duplicates_go_and_everything_is_counted(finished: Path) -> None:
    done = json.loads((finished / "manifest.json").read_text())
    counts = done["counts"]
    assert counts["dropped"] == {
        "duplicate_image": PARTS * (IMAGES + REPEATED) - IMAGES,
        "failed_to_download": PARTS * FAILED,
        "near_duplicate": NEAR,
    }
    assert counts["rows_in"] == PARTS * (IMAGES + REPEATED + FAILED)
    assert counts["rows_out"] == IMAGES - NEAR == done["facts"]["samples"] + done["facts"]["holdout_samples"]
    everything = pa.concat_tables([samples(finished), samples(finished / "holdout")])
    assert near_pairs(everything, everything) == everything.num_rows  # each only with itself
    assert check.run(check.CheckOptions(dataset=str(finished)), HERE)["samples"] == IMAGES - NEAR
    assert not list((finished / "work").rglob("*.*"))


def test_kept_near_duplicates_leave_the_holdout(fetched: Path, tmp_path: Path) -> None:
    done = make(fetched, tmp_path / "data", near_duplicates="keep", holdout=0.5)
    trained, held = samples(tmp_path / "data"), samples(tmp_path / "data" / "holdout")
    left = done["counts"]["dropped"]["near_training"]
    assert left > 0
    assert trained.num_rows + held.num_rows == IMAGES - left
    assert near_pairs(trained, held) == 0
    assert near_pairs(trained, trained) > trained.num_rows


def test_divided_otherwise_the_bytes_are_the_same(
    fetched: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("_ROWS_PER_ITEM", 20), ("_MOST_ROWS_PER_ITEM", 20), ("_HASHES_PER_RANGE", 50)):
        monkeypatch.setattr(shards_steps, name, size)
    options = shards.ShardsOptions(
        store=str(fetched), output=str(tmp_path / "parts"), samples_per_shard=8, holdout=0.25, rejects="all"
    )
    shards.run(options, Session(beam_args=("--direct_num_workers=2",)))
    assert contents(finished) == contents(tmp_path / "parts")
    assert len(contents(finished)) > 12
    tables = [pq.read_table(path) for path in (tmp_path / "parts" / "rejects").iterdir()]
    rejected = pa.concat_tables(table.select(["uid", "drop_reason"]) for table in tables)
    assert Counter(rejected.column("drop_reason").to_pylist()) == {
        "duplicate_image": PARTS * (IMAGES + REPEATED) - IMAGES,
        "near_duplicate": NEAR,
    }


def test_texts_of_duplicates_stand_beside_the_one_that_stays(fetched: Path, tmp_path: Path) -> None:
    make(fetched, tmp_path / "data", merge_texts=True)
    rows = pa.concat_tables([samples(tmp_path / "data"), samples(tmp_path / "data" / "holdout")]).to_pylist()
    assert Counter(len(row["other_texts"]) for row in rows)[2] > 0
    for row in rows:
        number = int(row["url"].rpartition("/")[2].removesuffix(".jpg"))
        others = {other["url"] for other in row["other_texts"]}
        assert others <= {
            url(part, n) for part in range(PARTS) for n in (number, number % IMAGES, number + IMAGES)
        }


def listed(tmp_path: Path, *entries: str) -> str:
    path = tmp_path / "list.txt"
    path.write_text("\n".join(entries))
    return str(path)


def test_a_takedown_equals_a_dataset_made_without_the_items(
    fetched: Path, finished: Path, tmp_path: Path
) -> None:
    copy_of(finished, tmp_path / "data")
    before = contents(tmp_path / "data")
    rows = samples(tmp_path / "data")
    first = listed(
        tmp_path,
        f"uid:{rows.column('uid')[0]}",
        f"url:{rows.column('url')[3]}",
        f"sha256:{rows.column('sha256')[5]}",
        f"phash:{rows.column('phash')[7]}",
    )
    done = remove.run(remove.RemoveOptions(dataset=str(tmp_path / "data"), list=(first,)), HERE)
    assert (done["version"], done["removed"]) == (2, 4)
    make(fetched, tmp_path / "without", exclude=(first,))
    assert contents(tmp_path / "data") == contents(tmp_path / "without")
    after = contents(tmp_path / "data")
    assert before.keys() == after.keys()
    touched = {name for name in before if before[name] != after[name]}
    assert 0 < len({name.partition(".")[0].partition("_")[0] for name in touched} - {"sizes"}) <= 4
    one, other = (
        json.loads((tmp_path / name / "manifest.json").read_text())["counts"] for name in ("data", "without")
    )
    assert one == other
    assert one["dropped"]["excluded"] == 4
    ledger = sidecars(tmp_path / "data" / "removed" / "00002")
    assert {entry.partition(":")[0] for entry in ledger.column("entry").to_pylist()} == {
        "uid",
        "url",
        "sha256",
        "phash",
    }
    assert check.run(check.CheckOptions(dataset=str(tmp_path / "data")), HERE)["samples"] == IMAGES - NEAR - 4


def test_a_second_removal_is_the_next_version_and_none_changes_nothing(
    finished: Path, tmp_path: Path
) -> None:
    copy_of(finished, tmp_path / "data")
    dataset = str(tmp_path / "data")
    uids = samples(tmp_path / "data").column("uid").to_pylist()
    for version, uid in enumerate(uids[:2], 2):
        done = remove.run(remove.RemoveOptions(dataset=dataset, list=(listed(tmp_path, f"uid:{uid}"),)), HERE)
        assert (done["version"], done["removed"]) == (version, 1)
    before = contents(tmp_path / "data")
    again = remove.run(
        remove.RemoveOptions(dataset=dataset, list=(listed(tmp_path, f"uid:{uids[0]}"),)), HERE
    )
    assert again == {"version": 3, "removed": 0}
    assert contents(tmp_path / "data") == before


def test_a_shard_made_again_does_not_bring_back_what_was_removed(
    fetched: Path, finished: Path, tmp_path: Path
) -> None:
    copy_of(finished, tmp_path / "data")
    uid = samples(tmp_path / "data").column("uid")[0].as_py()
    removal = remove.RemoveOptions(dataset=str(tmp_path / "data"), list=(listed(tmp_path, f"uid:{uid}"),))
    remove.run(removal, HERE)
    before = contents(tmp_path / "data")
    for name in ("00000.parquet", "00001.parquet", "_SUCCESS"):
        (tmp_path / "data" / name).unlink()
    assert make(fetched, tmp_path / "data")["facts"]["version"] == 2
    assert contents(tmp_path / "data") == before


def test_a_purge_takes_all_copies_out_of_the_store(fetched: Path, finished: Path, tmp_path: Path) -> None:
    store = copy_of(fetched, tmp_path / "fetch")
    copy_of(finished, tmp_path / "data")
    row = samples(tmp_path / "data").to_pylist()[0]
    removal = remove.RemoveOptions(
        dataset=str(tmp_path / "data"), list=(listed(tmp_path, f"url:{row['url']}"),), purge=str(store)
    )
    assert remove.run(removal, HERE)["removed"] == 1
    stored = pa.concat_tables([read_table(path) for path in list_parts(str(store / "store"))])
    assert row["sha256"] not in stored.column("sha256").to_pylist()
    gone = PARTS * (IMAGES + REPEATED + FAILED) - stored.num_rows
    assert gone >= PARTS
    entries = (store / "exclude.txt").read_text().splitlines()
    assert f"sha256:{row['sha256']}" in entries
    assert f"uid:{row['uid']}" in entries
    assert sum(entry.startswith("url:") for entry in entries) == gone
    tars = {path.name for path in (store / "store").glob("*.tar")}
    assert tars == set(stored.column("store_file").drop_null().to_pylist())
    done = make(store, tmp_path / "again")
    assert done["counts"]["rows_out"] == IMAGES - NEAR - 1
    assert (
        check.run(check.CheckOptions(dataset=str(tmp_path / "again")), HERE)["samples"] == IMAGES - NEAR - 1
    )
    assert remove.run(removal, HERE)["removed"] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"near_duplicates": "some"}, "near_duplicates is 'some'"),
        ({"holdout": 1.0}, "holdout is 1.0"),
        ({"exclude": ("/nowhere",)}, "/nowhere does not exist"),
    ],
)
def test_wrong_options_are_named(
    fetched: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        make(fetched, tmp_path / "data", **options)
    assert not (tmp_path / "data").exists()


def test_killed_twenty_times_the_bytes_are_the_same(fetched: Path, tmp_path: Path) -> None:
    make(fetched, tmp_path / "whole", holdout=0.0)
    command = [str(Path(sys.executable).with_name("wit")), "shards", "--store", str(fetched)]
    command += ["--output", str(tmp_path / "data"), "--samples-per-shard", "8"]
    moments = random.Random(0)
    kills = 0
    while True:
        if was_killed(command, moments.uniform(0.9, 2.0) if kills < 20 else None):
            kills += 1
            continue
        if kills == 20:
            break
        assert contents(tmp_path / "data") == contents(tmp_path / "whole")
        for name in ("_SUCCESS", "00001.parquet"):  # it was done early: there is something to do again
            (tmp_path / "data" / name).unlink()
    assert contents(tmp_path / "data") == contents(tmp_path / "whole")
    assert not list((tmp_path / "data").rglob(".tmp-*"))
