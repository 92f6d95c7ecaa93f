"""Small passes over the matches of some parts: sums of cells, and the few matches of an interval.

Parts that are not there yet are made on the way, so that counting costs no start of its own.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from wit_builder import storage, thresholds
from wit_builder.balance import Rule, considered
from wit_builder.matches import SLICE, Counts, Matches, count_slices, matches_of, require_known
from wit_builder.parts import read_batches
from wit_builder.transforms.arrays import SavedArray
from wit_builder.transforms.parts import MakePart, WorkItem, count_progress

ROWS_PER_PASS = 100_000
"""Rows read at once where a uid and some query ids are all of a row."""

Cells = Iterator[npt.NDArray[np.integer[Any]]]


@dataclass
class MatchSource:
    """The matches of a part that a pass looks at. Opened once a worker."""

    column: str
    """Lists of query ids."""
    uid: tuple[str, ...] = ("uid",)
    """The uid's column, or those of its halves."""
    only: tuple[str, str | bool] | None = None
    """A column and its value in the rows that are looked at."""
    rarity: SavedArray | None = None
    """Matches of each query, if only each row's rarest query is looked at."""
    _rarity: Counts | None = field(default=None, init=False)

    def setup(self) -> None:
        """Map what lies in a file into memory."""
        self._rarity = self.rarity.open() if self.rarity else None

    def read(self, path: str) -> Iterator[Matches]:
        """Stream the matches of a part."""
        columns = [*self.uid, self.column, *(self.only or ())[:1]]
        for batch in read_batches([path], columns, ROWS_PER_PASS):
            if self.only:
                batch = batch.filter(pc.equal(batch.column(self.only[0]), self.only[1]))
            yield considered(matches_of(batch, self.column), self._rarity)


class CountCells(Protocol):
    """Gives a part's rows as numbers of cells, to be counted. Picklable."""

    @property
    def size(self) -> int:
        """Cells there are."""

    def setup(self) -> None:
        """Open artifacts, once a worker."""

    def cells(self, path: str) -> Cells:
        """Give arrays of cells."""


@dataclass(eq=False)
class SumCells(beam.PTransform):
    """PCollection[WorkItem] -> PCollection[tuple[int, Counts]]: cells of all outputs, by slice.

    Each output is counted, with `make` also made if it is not there: no match is shuffled.
    """

    counting: CountCells
    make: MakePart | None = None

    def expand(self, items: "beam.PCollection[WorkItem]") -> "beam.PCollection[tuple[int, Counts]]":
        """Count each part, then add up slice by slice."""
        return (
            items
            | "Spread" >> beam.Reshuffle()
            | "Count part" >> beam.ParDo(_CountPart(self.counting, self.make))
            | "Add slices" >> beam.CombinePerKey(_add_counts)
        )


class _CountPart(beam.DoFn):
    def __init__(self, counting: CountCells, make: MakePart | None) -> None:
        self._counting, self._make = counting, make

    def setup(self) -> None:
        self._counting.setup()
        if self._make:
            self._make.setup()

    def process(self, item: WorkItem) -> Iterator[tuple[int, Counts]]:
        if self._make and not storage.exists(item.output):
            count_progress(type(self._make).__name__, self._make.run(item))
        yield from count_slices(self._counting.cells(item.output), self._counting.size)


def _add_counts(vectors: Iterable[Counts]) -> Counts:
    total = np.zeros(SLICE, np.int64)
    for vector in vectors:
        total += vector
    return total


@dataclass
class CountQueries:
    """Counts the matches of each query."""

    source: MatchSource
    size: int

    def setup(self) -> None:
        """Open the source."""
        self.source.setup()

    def cells(self, path: str) -> Cells:
        """Give query ids."""
        return (require_known(matches.ids, self.size) for matches in self.source.read(path))


@dataclass
class CountBins:
    """Counts the matches below and in the bins of each sought query's interval."""

    source: MatchSource
    sought: SavedArray
    seed: int
    size: int

    def setup(self) -> None:
        """Open the source and the intervals."""
        self.source.setup()
        self._sought = self.sought.open()

    def cells(self, path: str) -> Cells:
        """Give cells of the histogram."""
        return (thresholds.cells_of(matches, self._sought, self.seed) for matches in self.source.read(path))


@dataclass
class CountChosen:
    """Counts what each query would select, and after that the pairs that would be kept."""

    source: MatchSource
    table: SavedArray
    seed: int
    queries: int

    @property
    def size(self) -> int:
        """The queries, and one cell for the pairs."""
        return self.queries + 1

    def setup(self) -> None:
        """Open the source and the thresholds."""
        self.source.setup()
        self._table = self.table.open()

    def cells(self, path: str) -> Cells:
        """Give the query of each match that is chosen, and the last cell for each pair."""
        for matches in self.source.read(path):
            chosen = matches.where(thresholds.chosen_by(matches, self._table, self.seed))
            yield chosen.ids
            yield np.full(len(np.unique(chosen.rows)), self.queries)


@dataclass
class CountKept:
    """Counts, in balanced parts, the pairs that each query selected and then those that match it."""

    queries: int

    @property
    def size(self) -> int:
        """Each query twice."""
        return 2 * self.queries

    def setup(self) -> None:
        """Nothing to open."""

    def cells(self, path: str) -> Cells:
        """Give the queries that selected, and, moved up, those that match."""
        columns = ["selected_query_ids", "matched_query_ids"]
        for batch in read_batches([path], columns, ROWS_PER_PASS):
            yield batch.column(0).flatten().to_numpy()
            yield batch.column(1).flatten().to_numpy() + self.queries


@dataclass(eq=False)
class FindInIntervals(beam.PTransform):
    """PCollection[str] of parts -> PCollection[tuple[str, FOUND array]]: what is in the intervals."""

    source: MatchSource
    sought: SavedArray
    seed: int

    def expand(self, parts: "beam.PCollection[str]") -> "beam.PCollection[Any]":
        """Read each part; intervals are narrow, so little is found."""
        return (
            parts
            | "Spread" >> beam.Reshuffle()
            | "Find in part" >> beam.ParDo(_FindInPart(self.source, self.sought, self.seed))
        )


class _FindInPart(beam.DoFn):
    def __init__(self, source: MatchSource, sought: SavedArray, seed: int) -> None:
        self._source, self._saved, self._seed = source, sought, seed

    def setup(self) -> None:
        self._source.setup()
        self._sought = self._saved.open()

    def process(self, path: str) -> Iterator[tuple[str, npt.NDArray[np.void]]]:
        found = [
            thresholds.found_in(matches, self._sought, self._seed) for matches in self._source.read(path)
        ]
        if sum(map(len, found)):
            yield storage.basename(path), np.concatenate(found)


@dataclass
class SavedRule:
    """A `Rule` in files, for workers."""

    table: SavedArray
    seed: int
    rarity: SavedArray | None = None

    def open(self) -> Rule:
        """Map it into memory."""
        return Rule(self.table.open(), self.seed, self.rarity.open() if self.rarity else None)
