"""Beam half of the exact count of bigrams, in memory that does not grow with the dump.

Distinct bigrams grow without end, but few are frequent. The first pass adds up
hashes: a table of fixed size whose every place counts all the bigrams that fall on it,
so that its count bounds theirs from above. The second counts by name only the bigrams
on a place that reaches the minimum; no frequent one is missed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vocab.count import hash_pairs, pairs_of
from vocab.lexicon import Lexicon, renumber, spell_pairs
from wit_builder.hashing import UInt64s, mix
from wit_builder.parts import PartSummary, read_batches
from wit_builder.transforms.arrays import SavedArray
from wit_builder.transforms.counts import SumFrequent, divide_counts

SLICE_BITS = 16
"""The table travels in slices of 2^16 places, a byte each."""
_MOST_COUNTED = 255
"""Places count no further, nor than the minimum."""
_LEAST_BITS, _MOST_BITS = SLICE_BITS, 26
_WORDS_PER_PLACE = 8

_BUCKET_SEED = 0xB0C

Table = npt.NDArray[np.uint8]


def table_bits(words: int) -> int:
    """Size the table for a dump: 2^bits places, 256 MB at most.

    With 2^26 places and the 4.4 billion words of the English Wikipedia a place holds 65
    occurrences on average, most of them on the places of frequent bigrams.

    Args:
        words: occurrences of all words.
    """
    return max(_LEAST_BITS, min(_MOST_BITS, (words // _WORDS_PER_PLACE).bit_length()))


@dataclass(eq=False)
class BoundBigrams(beam.PTransform):
    """PCollection[tuple[str, ...]] of token parts -> PCollection[tuple[int, array]]: frequent places.

    By number of the slice, np.packbits of its 2^SLICE_BITS places. Each element, some
    parts, makes one table; so a few large groups are best.
    """

    lexicon: Lexicon
    bits: int
    min_count: int

    def expand(self, groups: "beam.PCollection[tuple[str, ...]]") -> "beam.PCollection[tuple[int, Any]]":
        """Count the places of each group, then add up slice by slice."""
        limit = min(self.min_count, _MOST_COUNTED)
        return (
            groups
            | "Spread" >> beam.Reshuffle()
            | "Count places" >> beam.ParDo(_CountPlaces(self.lexicon, self.bits, limit))
            | "Add slices" >> beam.CombinePerKey(_AddSlices(limit))
            | "Mark frequent" >> beam.Map(_mark_frequent, limit)
        )


class _CountPlaces(beam.DoFn):
    def __init__(self, lexicon: Lexicon, bits: int, limit: int) -> None:
        self._saved, self._bits, self._limit = lexicon, bits, limit

    def setup(self) -> None:
        self._lexicon = self._saved.open()

    def process(self, parts: Sequence[str]) -> Iterator[tuple[int, Table]]:
        counts = np.zeros(1 << self._bits, np.uint32)
        for part in parts:
            for pairs in _read_pairs(part, self._lexicon):
                np.add.at(counts, hash_pairs(pairs, self._bits), np.uint32(1))
        limited = np.minimum(counts, np.uint32(self._limit)).astype(np.uint8)
        yield from enumerate(limited.reshape(-1, 1 << SLICE_BITS))


class _AddSlices(beam.CombineFn):
    """Adds counts that stop at a limit, which is all that has to be known of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def create_accumulator(self) -> Table:
        return np.zeros(1 << SLICE_BITS, np.uint8)

    def add_input(self, total: Table, counts: Table) -> Table:
        total = np.minimum(total.astype(np.uint16) + counts, self._limit).astype(np.uint8)
        return total

    def merge_accumulators(self, tables: Iterable[Table]) -> Table:
        total = self.create_accumulator()
        for table in tables:
            total = self.add_input(total, table)
        return total

    def extract_output(self, total: Table) -> Table:
        return total


def _mark_frequent(places: tuple[int, Table], limit: int) -> tuple[int, npt.NDArray[np.uint8]]:
    number, counts = places
    return number, np.packbits(counts >= limit)


def _read_pairs(path: str, lexicon: pa.Array) -> Iterator[UInt64s]:
    for row in read_batches([path], ["texts", "numbers"], rows=1):
        words, numbers = (row.column(name).flatten() for name in ("texts", "numbers"))
        yield pairs_of(renumber(numbers.to_numpy(), words, lexicon))


@dataclass(eq=False)
class CountBigrams(beam.PTransform):
    """PCollection[str] of token parts -> PCollection[PartSummary]: frequent bigrams in `schemas.NGRAM`."""

    lexicon: Lexicon
    frequent: SavedArray
    """Places of the table that reach the minimum, packed."""
    bits: int
    folder: str
    buckets: int
    min_count: int
    missing: frozenset[int]

    def expand(self, parts: "beam.PCollection[str]") -> "beam.PCollection[PartSummary]":
        """Count what may be frequent, add up, keep what is."""
        return (
            parts
            | "Spread" >> beam.Reshuffle()
            | "Count pairs" >> beam.ParDo(_CountPairs(self))
            | "Frequent" >> SumFrequent(self.folder, self.buckets, self.min_count, _SpellPairs(self.lexicon))
        )


class _CountPairs(beam.DoFn):
    def __init__(self, options: CountBigrams) -> None:
        self._lexicon_file, self._frequent_file = options.lexicon, options.frequent
        self._bits, self._buckets, self._missing = options.bits, options.buckets, sorted(options.missing)

    def setup(self) -> None:
        self._lexicon = self._lexicon_file.open()
        self._frequent = self._frequent_file.open()

    def process(self, path: str) -> Iterator[tuple[int, pa.RecordBatch]]:
        for pairs in _read_pairs(path, self._lexicon):
            places = hash_pairs(pairs, self._bits)
            marked = self._frequent[places >> 3] >> (7 - (places & 7)).astype(np.uint8) & 1
            keys, counts = np.unique(pairs[marked != 0], return_counts=True)
            buckets = (mix(keys, _BUCKET_SEED) % np.uint64(self._buckets)).astype(np.int64)
            counted = pa.array(counts.astype(np.int64))
            yield from divide_counts(pa.array(keys), counted, buckets, self._missing)


@dataclass
class _SpellPairs:
    lexicon: Lexicon

    def setup(self) -> None:
        self._words = self.lexicon.open()

    def texts(self, keys: pa.Array) -> pa.Array:
        return spell_pairs(keys.to_numpy(), self._words)
