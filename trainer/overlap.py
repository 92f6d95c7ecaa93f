"""How much of a test set the training images hold, and what that does to its score.

As CLIP's section 5 (Radford et al. 2021): a near-duplicate detector divides the test
images into Overlap and Clean; their accuracies, the Clopper-Pearson interval of
Overlap's at 99.5 %, and the one-tailed binomial p of Overlap's under Clean's accuracy.
"""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pdqhash
import pyarrow.parquet as pq
import torch
from PIL import Image
from scipy.special import bdtrc

from trainer.data import UNREADABLE
from trainer.metrics import clopper_pearson
from trainer.shard_index import ShardIndex
from trainer.sources import Source
from wit_builder.near_duplicates import LEAST_QUALITY, are_near
from wit_builder.storage import list_dir, open_read

CONFIDENCE = 0.995
HASHED_AT_ONCE = 10_000
LEAST_COSINE = 0.95
"""Cosine of two embeddings from which on they count as near-duplicates; a choice of ours."""

_ROWS_AT_ONCE = 4096


def pdq(image: bytes) -> bytes | None:
    """Hash an image file by PDQ: 32 bytes; None if it is unreadable or too flat to say anything."""
    try:
        pixels = np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))
    except UNREADABLE:
        return None
    bits, quality = pdqhash.compute(np.ascontiguousarray(pixels))
    return np.packbits(bits).tobytes() if quality >= LEAST_QUALITY else None


def near_by_hash(
    test: Source, numbers: list[int], training: ShardIndex, folder: str
) -> npt.NDArray[np.bool_]:
    """Tell which test images are near one of the training images by PDQ: bool, (len(numbers),).

    The hashes of shards of ours stand in their tables; those of others are made here.

    Args:
        test: the test images.
        numbers: which of them to look at.
        training: the training shards.
        folder: where they are.
    """
    found = [pdq(test.read(number)[0]) for number in numbers]
    told = np.flatnonzero([code is not None for code in found])
    hashes = _as_words([code for code in found if code is not None])
    near = np.zeros(len(numbers), dtype=bool)
    for listed in _training_hashes(training, folder):
        near[told] |= are_near(hashes, listed)
    return near


def _training_hashes(training: ShardIndex, folder: str) -> Any:
    tables = list_dir(folder, ".parquet")
    if tables and all("phash" in _columns(path) for path in tables):
        for path in tables:
            with open_read(path) as handle:
                table = pq.read_table(handle, columns=["phash", "phash_quality"])
            kept = [
                code
                for code, quality in zip(*(column.to_pylist() for column in table.columns), strict=True)
                if code is not None and (quality or 0) >= LEAST_QUALITY
            ]
            yield _as_words([bytes.fromhex(code) for code in kept])
        return
    for first in range(0, len(training), HASHED_AT_ONCE):
        places = range(first, min(first + HASHED_AT_ONCE, len(training)))
        found = [pdq(training.read(number)[0]) for number in places]
        yield _as_words([code for code in found if code is not None])


def _columns(path: str) -> list[str]:
    with open_read(path) as handle:
        names: list[str] = pq.read_schema(handle).names
    return names


def _as_words(codes: list[bytes]) -> npt.NDArray[np.uint64]:
    return np.frombuffer(b"".join(codes), ">u8").reshape(-1, 4).astype(np.uint64)


def near_by_embedding(test: torch.Tensor, training: torch.Tensor) -> npt.NDArray[np.bool_]:
    """Tell which test images have a training image of almost the same direction: bool, (n,).

    Args:
        test: float32, (n, d), L2-normalised.
        training: float32, (m, d), L2-normalised.
    """
    near = torch.zeros(len(test), dtype=torch.bool)
    for part in torch.split(training, _ROWS_AT_ONCE):
        near |= ((test @ part.T) >= LEAST_COSINE).any(dim=1)
    return near.numpy()


def overlap_study(right: npt.NDArray[np.bool_], overlap: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Compare the accuracy on test images that the training images hold with that on the others.

    Args:
        right: which images are classified rightly, (n).
        overlap: which of them have a near-duplicate among the training images, (n).

    Returns:
        `images`, `overlap_images` and their `overlap_share`; `all`, `clean` and `overlap`
        (accuracies, None of no image), `gain` (all - clean), `overlap_interval` (99.5 %) and
        `p_value` (of so good an Overlap if it were like Clean).
    """
    count, successes = int(overlap.sum()), int(right[overlap].sum())
    clean = float(right[~overlap].mean()) if count < len(right) else None
    total = float(right.mean())
    return {
        "images": len(right),
        "overlap_images": count,
        "overlap_share": count / len(right),
        "all": total,
        "clean": clean,
        "overlap": successes / count if count else None,
        "gain": total - clean if clean is not None else None,
        "overlap_interval": list(clopper_pearson(successes, count, CONFIDENCE)),
        "p_value": _at_least(successes, count, clean) if count and clean is not None else None,
    }


def _at_least(successes: int, trials: int, share: float) -> float:
    """Give the binomial probability of so many successes or more."""
    return float(bdtrc(successes - 1, trials, share)) if successes else 1.0
