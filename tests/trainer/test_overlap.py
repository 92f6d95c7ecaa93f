import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from scipy.stats import binomtest

from tests.trainer.samples import unit_rows, write_tar
from trainer.overlap import near_by_embedding, near_by_hash, overlap_study, pdq
from trainer.shard_index import ShardIndex, index_shards


def picture(seed: int, quality: int = 90) -> bytes:
    """Give a JPEG of coarse noise: another seed is another picture, another quality the same."""
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((128, 128), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def shards(folder: Path, images: list[bytes]) -> ShardIndex:
    members: dict[str, bytes] = {}
    for number, image in enumerate(images):
        members |= {f"{number:03d}.jpg": image, f"{number:03d}.txt": b"a picture"}
    write_tar(folder / "0.tar", members)
    return index_shards(str(folder), "txt")


def test_near_duplicates_by_hash(tmp_path: Path) -> None:
    flat = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(flat, "JPEG")
    test = shards(tmp_path / "test", [picture(0), picture(1), flat.getvalue(), b"broken", picture(2)])
    training = shards(tmp_path / "training", [picture(2, 60), picture(7), flat.getvalue(), picture(0, 40)])
    near = near_by_hash(test, list(range(5)), training, str(tmp_path / "training"))
    assert near.tolist() == [True, False, False, False, True]


def test_hashes_in_the_shards_table_are_used(tmp_path: Path) -> None:
    test = shards(tmp_path / "test", [picture(0), picture(1)])
    training = shards(tmp_path / "training", [picture(7)])
    code = pdq(picture(1))
    assert code is not None
    table = pa.table({"phash": [code.hex(), None, code.hex()], "phash_quality": [100, None, 100]})
    pq.write_table(table, tmp_path / "training" / "00000.parquet")
    assert near_by_hash(test, [0, 1], training, str(tmp_path / "training")).tolist() == [False, True]


def test_near_duplicates_by_embedding() -> None:
    training = torch.from_numpy(unit_rows(5000, 16, 0)).float()
    test = torch.cat([training[[4999]], torch.from_numpy(unit_rows(1, 16, 1)).float()])
    assert near_by_embedding(test, training).tolist() == [True, False]


def test_the_study_is_the_papers_statistics() -> None:
    overlap = np.arange(100) < 20
    right = np.ones(100, dtype=bool)
    right[:2] = False  # Overlap 18 / 20
    right[50:74] = False  # Clean 56 / 80
    study = overlap_study(right, overlap)
    assert (study["all"], study["clean"], study["overlap"]) == (0.74, 0.7, 0.9)
    assert study["gain"] == pytest.approx(0.04)
    assert study["overlap_share"] == 0.2
    peer = binomtest(18, 20, 0.7, alternative="greater")
    assert study["p_value"] == pytest.approx(peer.pvalue)
    interval = binomtest(18, 20).proportion_ci(0.995, "exact")
    assert study["overlap_interval"] == pytest.approx([interval.low, interval.high])


@pytest.mark.parametrize("everywhere", [True, False])
def test_nothing_or_everything_overlaps(everywhere: bool) -> None:
    study = overlap_study(np.array([True, False]), np.full(2, everywhere))
    assert study["p_value"] is None
    assert (study["clean"] is None, study["overlap"] is None) == (everywhere, not everywhere)
