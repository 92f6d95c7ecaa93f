"""Run small passes over matches and bring their results back: counts, and the table of thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from pipelines.session import Session, Watch
from wit_builder import storage, thresholds
from wit_builder.matches import Counts, join_slices
from wit_builder.thresholds import FOUND, Entries, Search
from wit_builder.transforms.arrays import Arrays, SaveArrays, SavedArray, load_arrays
from wit_builder.transforms.parts import MakePart, WorkItem
from wit_builder.transforms.passes import (
    CountBins,
    CountCells,
    CountQueries,
    FindInIntervals,
    MatchSource,
    SumCells,
)


@dataclass(frozen=True)
class Passes:
    """Small passes over the matches of some parts."""

    session: Session
    work: str
    """Folder for what goes to workers and comes back from them."""
    items: Sequence[WorkItem]
    """Their outputs are the parts."""
    source: MatchSource
    seed: int
    """Of the priorities."""

    def save(self, name: str, array: npt.NDArray[Any]) -> SavedArray:
        """Put an array where workers can map it into memory."""
        return SavedArray.save(array, storage.join(self.work, f"{name}.npy"))

    def sum(self, label: str, counting: CountCells, make: MakePart | None = None) -> Counts:
        """Sum up cells over all parts.

        Args:
            label: what is done, for people.
            counting: gives the cells.
            make: makes the parts that are not there.
        """
        path = self._path(label)

        def build(pipeline: beam.Pipeline) -> None:
            pipeline | "Parts" >> beam.Create(self.items) | SumCells(counting, make) | SaveArrays(path)

        folder = self.items[0].output.rpartition("/")[0]
        watch = Watch(folder, len(self.items)) if make else None
        self.session.run(label, build, len(self.items), watch)
        slices = ((int(number), counts) for number, counts in load_arrays(path).items())
        return join_slices(slices, counting.size)

    def count(self, label: str, queries: int, make: MakePart | None = None) -> Counts:
        """Count the matches of each query."""
        return self.sum(label, CountQueries(self.source, queries), make)

    def exact_table(self, counts: Counts, cap: int) -> Entries:
        """Find the last match that each query selects, the `cap`-th smallest of a head query.

        Args:
            counts: matches of each query.
            cap: matches to select.
        """
        queries = len(counts)
        wide = thresholds.begin(counts, cap)
        narrow = [wide.rows[wide.narrow]]
        while not wide.narrow.all():
            wide = replace(wide, rows=wide.rows[~wide.narrow])
            sought = self.save("sought", thresholds.sought_table(wide, queries))
            counting = CountBins(self.source, sought, self.seed, wide.cells)
            wide = thresholds.tighten(wide, self.sum("Narrow down thresholds", counting))
            narrow.append(wide.rows[wide.narrow])
        last = replace(wide, rows=np.sort(np.concatenate(narrow), order="query"))
        return thresholds.exact_table(queries, last, self._find(last, queries))

    def _find(self, search: Search, queries: int) -> npt.NDArray[np.void]:
        if not len(search.rows):
            return np.empty(0, FOUND)
        label = "Find thresholds"
        path = self._path(label)
        find = FindInIntervals(
            self.source, self.save("sought", thresholds.sought_table(search, queries)), self.seed
        )
        parts = [item.output for item in self.items]

        def build(pipeline: beam.Pipeline) -> None:
            pipeline | "Parts" >> beam.Create(parts) | find | SaveArrays(path)

        self.session.run(label, build, len(parts))
        found: Arrays = load_arrays(path)
        return np.concatenate([np.empty(0, FOUND), *found.values()])

    def of(self, source: MatchSource) -> "Passes":
        """Look at other matches of the same parts."""
        return replace(self, source=source)

    def _path(self, label: str) -> str:
        return storage.join(self.work, f"{label.lower().replace(' ', '_')}.npz")
