"""Near-duplicates: images whose PDQ hashes differ in at most 16 of 256 bits.

Two such hashes are equal in at least one of 17 bands (a pigeon-hole argument: 16
different bits cannot touch 17 bands), so only images that share the value of a band
are compared. An image goes if a neighbour has a smaller priority, whether or not that
neighbour goes, too: so the outcome depends on no order, and no two neighbours stay.

A value that very many images share is a bucket that is capped: its images are compared
with its first `MOST_IN_BUCKET` only, and it is reported.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wit_builder.compiled import compiled, helper
from wit_builder.hashing import UInt64s, mix, uid_halves

BITS = 256
MOST_DIFFERENT = 16
"""Bits in which near-duplicates differ at most: PDQ's own advice is 31 for "similar" (Meta, The
TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm, 2019)."""

BANDS = MOST_DIFFERENT + 1
LEAST_QUALITY = 50
"""A hash of lower quality says little of the image, which is nearly flat: it is left alone."""

MOST_IN_BUCKET = 10_000

KEY = np.dtype(
    [
        ("hash", "<u8", 4),
        ("priority", "<u8"),
        ("tie", "<u8"),
        ("row", "<i4"),
        ("held", "?"),
    ]
)
"""What of an image is compared: `row` numbers it in its part, `held` tells that it is held out."""

Keys = npt.NDArray[np.void]
Rows = npt.NDArray[np.int32]

_EDGES = np.linspace(0, BITS, BANDS + 1).astype(np.int64)
_WORD = 64


class Compared(NamedTuple):
    """What came of comparing the images of a bucket of one band."""

    lost: Rows
    """Those that go, as indices."""
    full_buckets: int
    """Values that more than `MOST_IN_BUCKET` images share."""
    in_full_buckets: int
    """Images with such a value."""


def read_hashes(phashes: pa.Array) -> UInt64s:
    """Read hashes of 64 hex digits as integers: uint64 of shape (n, 4)."""
    digits = "".join(phashes.to_pylist())
    return np.frombuffer(bytes.fromhex(digits), ">u8").reshape(-1, 4).astype(np.uint64)


def keys_of(rows: pa.Table, held: npt.NDArray[np.bool_], seed: int) -> Keys:
    """Make the keys of the images with a hash that says something.

    Args:
        rows: n rows with uid, phash and phash_quality.
        held: which of them are held out, bool of shape (n,).
        seed: of the priority.

    Returns:
        Array in `KEY`, at most n.
    """
    told = pc.fill_null(pc.greater_equal(rows.column("phash_quality"), LEAST_QUALITY), False)
    numbers = np.flatnonzero(pc.and_(told, pc.is_valid(rows.column("phash"))).to_numpy())
    rows = rows.select(["uid", "phash"]).take(pa.array(numbers)).combine_chunks()
    halves = uid_halves(rows.column("uid"))
    keys = np.empty(len(numbers), KEY)
    keys["hash"] = read_hashes(rows.column("phash"))
    keys["priority"], keys["tie"] = mix(halves[:, 0], seed), halves[:, 1]
    keys["row"], keys["held"] = numbers, held[numbers]
    return keys


def band_values(hashes: UInt64s, band: int) -> UInt64s:
    """Cut one band out of hashes.

    Args:
        hashes: uint64 of shape (n, 4).
        band: 0 to 16; a band has 15 or 16 bits.

    Returns:
        uint64 of shape (n,).
    """
    first, last = _EDGES[band : band + 2]
    word, shift = divmod(int(first), _WORD)
    values = hashes[:, word] >> np.uint64(shift)
    if shift + last - first > _WORD:
        values = values | hashes[:, word + 1] << np.uint64(_WORD - shift)
    return values & np.uint64((1 << int(last - first)) - 1)


def divide(keys: Keys, ranges: int) -> list[bytes]:
    """Cut keys into a segment for each band and range of its values: band 0's ranges first."""
    segments = []
    for band in range(BANDS):
        spread = mix(band_values(keys["hash"], band), band) % np.uint64(ranges)  # values are not even
        segments += [keys[spread == number].tobytes() for number in range(ranges)]
    return segments


def compare(keys: Keys, band: int, *, across: bool) -> Compared:
    """Find the images that go, of those that share a value of a band.

    Args:
        keys: in `KEY`, all images with their values.
        band: by whose value they meet.
        across: only held-out images go, and only for a neighbour that is not held out.
    """
    values = band_values(keys["hash"], band)
    rank = keys["held"] if across else np.zeros(len(keys), dtype=bool)
    order = np.lexsort((keys["tie"], keys["priority"], rank, values))
    edges = np.flatnonzero(np.diff(values[order], prepend=-1, append=-1) != 0)
    sizes = np.diff(edges)
    hashes = np.ascontiguousarray(keys["hash"][order]).reshape(-1)
    held = np.ascontiguousarray(keys["held"][order])
    lost = _losers(hashes, held, edges, MOST_IN_BUCKET, across)
    full = sizes > MOST_IN_BUCKET
    return Compared(order[lost].astype(np.int32), int(full.sum()), int(sizes[full].sum()))


@helper
def _differ_little(hashes: UInt64s, one: int, others: UInt64s, other: int) -> np.bool_:
    different = np.int64(0)
    for word in range(4):
        bits = hashes[4 * one + word] ^ others[4 * other + word]
        bits = bits - ((bits >> np.uint64(1)) & np.uint64(0x5555555555555555))
        bits = (bits & np.uint64(0x3333333333333333)) + (
            (bits >> np.uint64(2)) & np.uint64(0x3333333333333333)
        )
        bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
        different += np.int64((bits * np.uint64(0x0101010101010101)) >> np.uint64(56))
    return different <= MOST_DIFFERENT


@compiled("boolean[::1](uint64[::1], boolean[::1], int64[::1], int64, boolean)")
def _losers(
    hashes: UInt64s, held: npt.NDArray[np.bool_], edges: npt.NDArray[np.int64], most: int, across: bool
) -> npt.NDArray[np.bool_]:
    lost = np.zeros(len(held), np.bool_)
    for bucket in range(len(edges) - 1):
        first, last = edges[bucket], edges[bucket + 1]
        for one in range(first, last):
            for other in range(first, min(one, first + most)):
                if across and not (held[one] and not held[other]):
                    continue
                if _differ_little(hashes, one, hashes, other):
                    lost[one] = True
                    break
    return lost


def are_near(hashes: UInt64s, listed: UInt64s) -> npt.NDArray[np.bool_]:
    """Tell which of n hashes are near one of m listed hashes: bool of shape (n,).

    Args:
        hashes: uint64 of shape (n, 4).
        listed: uint64 of shape (m, 4).
    """
    near = np.zeros(len(hashes), dtype=bool)
    for band in range(BANDS):
        values = band_values(listed, band)
        order = np.argsort(values)
        wanted = band_values(hashes, band)
        first = np.searchsorted(values[order], wanted, "left")
        last = np.searchsorted(values[order], wanted, "right")
        near |= _any_near(hashes.reshape(-1), listed[order].reshape(-1), first, last)
    return near


@compiled("boolean[::1](uint64[::1], uint64[::1], int64[::1], int64[::1])")
def _any_near(
    hashes: UInt64s, listed: UInt64s, first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    near = np.zeros(len(first), np.bool_)
    for one in range(len(first)):
        for other in range(first[one], last[one]):
            if _differ_little(hashes, one, listed, other):
                near[one] = True
                break
    return near
