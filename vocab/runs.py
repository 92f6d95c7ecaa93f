"""One 64-bit hash for a run of words, made so that runs grow cheaply.

The hash of the words t1 … tn, all arithmetic modulo 2^64:

    s1 = x(t1);  sn = s(n-1) * 0x9FB21C651E98DF25 + x(tn);  h(t1 … tn) = mix(sn, n)

where x is XXH3-64 of the word's UTF-8 and mix is `wit_builder.hashing.mix` with
the number of words as its seed. So the hashes of all runs of n words come from
those of n - 1 by one multiplication, for thousands of texts at once.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from xxhash import xxh3_64_intdigest

from wit_builder.hashing import UInt64s, mix

_FACTOR = np.uint64(0x9FB21C651E98DF25)  # odd, so no step loses a bit


def word_states(token_lists: Sequence[Sequence[str]]) -> UInt64s:
    """Give x of every word of every list, one after the other."""
    encoded = map(str.encode, chain.from_iterable(token_lists))
    return np.fromiter(map(xxh3_64_intdigest, encoded), np.uint64)


def grow(states: UInt64s, words: UInt64s) -> UInt64s:
    """Make runs one word longer.

    Args:
        states: s(n-1) of each run, shape (m,).
        words: x of the word that follows each run, shape (m,).

    Returns:
        s(n), shape (m,).
    """
    return states * _FACTOR + words


def finish(states: UInt64s, words: int) -> UInt64s:
    """Give the hashes of runs of so many words from their states."""
    return mix(states, words)


def hash_runs(runs: Sequence[Sequence[str]]) -> UInt64s:
    """Hash whole runs of at least one word each.

    Returns:
        uint64 of shape (len(runs),).
    """
    words = word_states(runs)
    lengths = np.fromiter(map(len, runs), np.int64, len(runs))
    starts = np.cumsum(lengths) - lengths
    states = words[starts]
    hashes = np.empty(len(runs), np.uint64)
    for length in range(1, int(lengths.max(initial=0)) + 1):
        ended = lengths == length
        hashes[ended] = finish(states[ended], length)
        longer = lengths > length
        states[longer] = grow(states[longer], words[starts[longer] + length])
    return hashes
