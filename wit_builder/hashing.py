"""Seeded 64-bit hashes of uids: the only source of choice in the whole road.

Nothing here reads a clock, `random` or `hash()`, so every decision made from
these values is the same on every machine, run and runner.
"""

import binascii
import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

UID_DIGITS = 32

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)

UInt64s = npt.NDArray[np.uint64]


def uid_of(url: str, text: str) -> str:
    """Name a pair: the first 32 hex digits of SHA-256 of url, NUL, text."""
    pair = f"{url}\0{text}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(pair).hexdigest()[:UID_DIGITS]


def hash_text(text: str, seed: int = 0) -> int:
    """Hash any string to an unsigned 64-bit integer (BLAKE2b, keyed by `seed`)."""
    digest = hashlib.blake2b(
        text.encode("utf-8", "surrogatepass"), digest_size=8, key=seed.to_bytes(8, "little")
    )
    return int.from_bytes(digest.digest(), "big")


def uid_halves(uids: pa.Array | Sequence[str]) -> UInt64s:
    """Read uids as pairs of integers: the first and the last 16 hex digits.

    Args:
        uids: n uids of 32 lower-case hex digits.

    Returns:
        uint64 array of shape (n, 2).

    Raises:
        pyarrow.ArrowInvalid: a uid does not have 32 digits.
    """
    if isinstance(uids, pa.ChunkedArray):
        uids = uids.combine_chunks()
    fixed = pa.array(uids, pa.string()).cast(pa.binary()).cast(pa.binary(UID_DIGITS))
    start = fixed.offset * UID_DIGITS
    data = memoryview(fixed.buffers()[1] or b"")[start : start + len(fixed) * UID_DIGITS]
    return np.frombuffer(binascii.unhexlify(data), ">u8").reshape(-1, 2).astype(np.uint64)


def uid_words(uids: pa.Array | Sequence[str]) -> UInt64s:
    """Read the first 16 hex digits of each uid as an integer: uint64 array of shape (n,)."""
    return uid_halves(uids)[:, 0]


def mix(values: UInt64s, seed: int) -> UInt64s:
    """Permute 64-bit integers by a seeded SplitMix64 (Steele, Lea, Flood 2014).

    Args:
        values: uint64 array of any shape.
        seed: 0 to 2^64 - 1; another seed gives an independent permutation.

    Returns:
        uint64 array of the same shape.
    """
    with np.errstate(over="ignore"):
        z = values ^ _splitmix(np.array([seed], np.uint64))[0]
        return _splitmix(z)


def _splitmix(z: UInt64s) -> UInt64s:
    with np.errstate(over="ignore"):
        z = z + _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
