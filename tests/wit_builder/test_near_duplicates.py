import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wit_builder import near_duplicates
from wit_builder.hashing import mix, uid_halves, uid_of
from wit_builder.near_duplicates import BANDS, KEY, Keys, are_near, band_values, compare, divide, keys_of

Hashes = npt.NDArray[np.uint64]


def near_hashes(seed: int, families: int, members: int) -> Hashes:
    """Random hashes in families whose members differ from the first in up to 30 bits."""
    random = np.random.default_rng(seed)
    bits = np.repeat(random.integers(0, 2, (families, 256), dtype=np.uint8), members, axis=0)
    for row in bits:
        row[random.choice(256, random.integers(0, 31), replace=False)] ^= 1
    return np.packbits(bits, axis=1).view(">u8").astype(np.uint64)


def keys_from(hashes: Hashes, held: npt.NDArray[np.bool_]) -> Keys:
    keys = np.zeros(len(hashes), KEY)
    keys["hash"], keys["row"], keys["held"] = hashes, np.arange(len(hashes)), held
    keys["priority"] = mix(np.arange(len(hashes), dtype=np.uint64), 5)
    return keys


def distance(one: Hashes, other: Hashes) -> int:
    return sum(int(a ^ b).bit_count() for a, b in zip(one.tolist(), other.tolist(), strict=True))


def losers_by_oracle(keys: Keys, across: bool) -> set[int]:
    lost = set()
    for one in keys:
        for other in keys:
            smaller = other["priority"] < one["priority"]
            crossing = one["held"] and not other["held"]
            if (crossing if across else smaller) and distance(one["hash"], other["hash"]) <= 16:
                lost.add(int(one["row"]))
    return lost


def losers(keys: Keys, across: bool, ranges: int) -> set[int]:
    lost: set[int] = set()
    for number, segment in enumerate(divide(keys, ranges)):
        part = np.frombuffer(segment, KEY)
        found = compare(part, number // ranges, across=across)
        lost.update(part["row"][found.lost].tolist())
    return lost


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.booleans(), st.integers(1, 4))
def test_bands_find_every_neighbour(seed: int, across: bool, ranges: int) -> None:
    hashes = near_hashes(seed, 12, 5)
    keys = keys_from(hashes, np.random.default_rng(seed).random(len(hashes)) < 0.3)
    lost = losers(keys, across, ranges)
    assert lost == losers_by_oracle(keys, across)
    assert 0 < len(lost) < len(keys)


def test_bands_cover_every_bit_once() -> None:
    single = np.zeros((256, 4), np.uint64)
    for bit in range(256):
        single[bit, bit // 64] = np.uint64(1) << np.uint64(bit % 64)
    values = np.stack([band_values(single, band) for band in range(BANDS)])
    assert (np.count_nonzero(values, axis=0) == 1).all()
    assert set(np.count_nonzero(values, axis=1).tolist()) == {15, 16}


def test_a_full_bucket_is_compared_with_its_first_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "MOST_IN_BUCKET", 3)
    keys = keys_from(np.zeros((10, 4), np.uint64), np.zeros(10, dtype=bool))
    found = compare(keys, 0, across=False)
    assert (len(found.lost), found.full_buckets, found.in_full_buckets) == (9, 1, 10)


def test_flat_images_and_failures_are_left_alone() -> None:
    uids = [uid_of(str(number), "text") for number in range(4)]
    hashes = ["ab" * 32, "cd" * 32, None, "00" * 31 + "01"]
    rows = pa.table({"uid": uids, "phash": hashes, "phash_quality": [50, 49, None, 100]})
    keys = keys_of(rows, np.array([True, False, False, False]), seed=1)
    assert keys["row"].tolist() == [0, 3]
    assert keys["held"].tolist() == [True, False]
    assert keys["hash"][1].tolist() == [0, 0, 0, 1]
    assert (keys["priority"] == mix(uid_halves(uids)[[0, 3], 0], 1)).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32), st.integers(0, 6))
def test_hashes_near_a_list_are_found(seed: int, listed: int) -> None:
    hashes = near_hashes(seed, 8, 4)
    others = hashes[::4][:listed]
    expected = [any(distance(one, other) <= 16 for other in others) for one in hashes]
    assert are_near(hashes, np.ascontiguousarray(others)).tolist() == expected
