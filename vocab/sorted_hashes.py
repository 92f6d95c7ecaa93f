"""Find many 64-bit hashes in a sorted array of them, several times as fast as bisection.

Hashes are uniform, so their first bits tell about where they stand: a directory
with the first row of each prefix leaves one or two rows to look at.
"""

import numpy as np
import numpy.typing as npt

from wit_builder.hashing import UInt64s

_MOST_BITS = 20  # a directory of 4 MiB


class SortedHashes:
    """A directory over a sorted array, made in milliseconds.

    Args:
        hashes: ascending, uint64 of shape (m,), at least one; kept as it is, not copied.
    """

    def __init__(self, hashes: UInt64s) -> None:
        bits = min(hashes.size.bit_length(), _MOST_BITS)
        self._hashes = hashes
        self._last = hashes.size - 1
        self._shift = np.uint64(64 - bits)
        prefixes = np.arange(1 << bits, dtype=np.uint64) << self._shift
        self._first = np.minimum(np.searchsorted(hashes, prefixes), self._last).astype(np.int32)

    def find(self, wanted: UInt64s) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
        """Look hashes up.

        Args:
            wanted: uint64 of shape (n,), in any order.

        Returns:
            The rows of those that are there, int32, and which of the n those are.
        """
        rows = self._first[wanted >> self._shift]
        behind = np.arange(wanted.size)
        while behind.size:
            at = rows[behind]
            behind = behind[(self._hashes[at] < wanted[behind]) & (at < self._last)]
            rows[behind] += 1
        known = self._hashes[rows] == wanted
        return rows[known], known
