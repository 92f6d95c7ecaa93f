"""Others read our shards: webdataset, open_clip, img2dataset's readers, Hugging Face datasets, plain tar."""

import io
import json
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import webdataset
from PIL import Image

from tests.images import jpeg
from tests.store import write_store
from wit_builder.duplicates import keep_one_per_image
from wit_builder.exclude import ExcludeList
from wit_builder.parts import read_table
from wit_builder.ranges import read_pieces
from wit_builder.shard_files import shard_paths, write_sizes
from wit_builder.shards import ShardPlan, write_shard

IMAGES, FAILED, SHARDS = 90, 6, 5


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five shards of uneven sizes, failures in their sidecars."""
    folder = tmp_path_factory.mktemp("consumers")
    store = write_store(folder / "store", IMAGES, failed=FAILED, pictures=partial(jpeg, width=64, height=48))
    unique, _ = keep_one_per_image(read_table(str(store / "part-000-00000.parquet")), 0, merge_texts=False)
    plan = ShardPlan(train=SHARDS, holdout=0, holdout_share=0.0, seed=0)
    rows, shards = plan.in_order(unique)
    data = str(folder / "data")
    for shard in range(SHARDS):
        read = partial(read_pieces, str(store))
        write_shard(data, shard, plan, rows.filter(shards == shard), read, ExcludeList())
    sidecars = [shard_paths(data, plan.prefix(shard))["parquet"] for shard in range(SHARDS)]
    assert write_sizes(data, sidecars) == IMAGES
    assert len(set(json.loads((folder / "data" / "sizes.json").read_text()).values())) > 1
    return folder / "data"


@pytest.fixture(scope="module")
def tars(dataset: Path) -> list[str]:
    return sorted(map(str, dataset.glob("*.tar")))


def test_plain_tar_reads_them(tars: list[str]) -> None:
    names = []
    for path in tars:
        with tarfile.open(path) as archive:
            names += archive.getnames()
            assert {(member.mtime, member.uid, member.mode) for member in archive} == {(0, 0, 0o644)}
    assert len(names) == len(set(names)) == 3 * IMAGES


def test_webdataset_reads_them(tars: list[str]) -> None:
    samples = list(
        webdataset.WebDataset(tars, shardshuffle=False).decode("pil").to_tuple("jpg", "txt", "json")
    )
    assert len(samples) == IMAGES
    assert all(image.size == (described["width"], described["height"]) for image, _, described in samples)


@pytest.mark.parametrize("workers", [0, 2])
def test_open_clip_trains_a_full_epoch_on_them(tars: list[str], workers: int) -> None:
    import open_clip
    from open_clip_train.data import get_wds_dataset
    from open_clip_train.params import parse_args

    batch = 5
    given = {
        "train-data": "::".join(tars),
        "train-num-samples": IMAGES,
        "batch-size": batch,
        "workers": workers,
    }
    arguments = parse_args([f"--{name}={value}" for name, value in given.items()])
    arguments.distributed, arguments.rank, arguments.world_size, arguments.seed = False, 0, 1, 0
    _, preprocess, _ = open_clip.create_model_and_transforms("RN50", load_weights=False)
    data = get_wds_dataset(arguments, preprocess, is_train=True, tokenizer=open_clip.get_tokenizer("RN50"))
    data.set_epoch(0)
    batches = list(data.dataloader)
    assert len(batches) == data.dataloader.num_batches >= IMAGES // batch
    assert {tuple(images.shape) for images, _ in batches} == {(batch, 3, 224, 224)}


def read_as_img2dataset_writes(dataset: Path) -> Iterator[tuple[Any, Image.Image]]:
    """Read samples as readers of img2dataset's output do: sidecar by pandas, members by key."""
    for path in sorted(dataset.glob("*.parquet")):
        rows = pd.read_parquet(path)
        stats = json.loads(path.with_name(f"{path.stem}_stats.json").read_text())
        assert stats["count"] == len(rows)
        assert stats["successes"] == (rows["status"] == "success").sum()
        with tarfile.open(path.with_suffix(".tar")) as archive:
            for row in rows[rows["status"] == "success"].to_dict("records"):
                member = archive.extractfile(f"{row['key']}.jpg")
                text = archive.extractfile(f"{row['key']}.txt")
                assert member is not None
                assert text is not None
                assert text.read().decode() == row["caption"]
                yield row, Image.open(io.BytesIO(member.read()))


def test_readers_of_img2datasets_output_read_them(dataset: Path) -> None:
    samples = list(read_as_img2dataset_writes(dataset))
    assert len(samples) == IMAGES
    for row, image in samples:
        assert image.size == (row["width"], row["height"])
        assert {"url", "key", "sha256", "original_width", "error_message"} <= row.keys()


def test_hugging_face_datasets_reads_them(
    tars: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    loaded = datasets.load_dataset(
        "webdataset", data_files={"train": tars}, split="train", cache_dir=str(tmp_path)
    )
    assert loaded.num_rows == IMAGES
    sample = loaded[0]
    assert sample["jpg"].size == (sample["json"]["width"], sample["json"]["height"])
    assert sample["txt"] == sample["json"]["caption"]
    streamed = datasets.load_dataset(
        "webdataset", data_files={"train": tars}, split="train", streaming=True, cache_dir=str(tmp_path)
    )
    assert sum(1 for _ in streamed) == IMAGES
