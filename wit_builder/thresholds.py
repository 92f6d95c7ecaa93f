"""Thresholds: the last match that each query selects, found by counting, not by sorting.

A query with more matches than the cap selects those of smallest (priority, uid). Its
`cap`-th smallest is found as one finds a word in a dictionary: bound an interval of
priorities that holds it, count the matches in equal bins of the interval, go on with
the bin that holds it, and read the few matches of the last bin. So what is held in
memory depends neither on the matches nor on the cap.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wit_builder.hashing import UInt64s
from wit_builder.matches import Counts, Matches

ENTRY = np.dtype([("priority", "<u8"), ("uid_high", "<u8"), ("uid_low", "<u8")])
"""One match, in the order in which a query prefers matches."""

FOUND = np.dtype([("query", "<i4"), *[(name, "<u8") for name in ENTRY.names or ()]])
"""A match that may be a query's last."""

SOUGHT = np.dtype([("cell", "<i8"), ("first", "<u8"), ("last", "<u8"), ("shift", "<u8")])
"""A query's interval of priorities, both ends in it; its bins are 2^shift wide.

Counts of a query begin at `cell`: what lies below the interval, then its bins; -1 if
the query is not sought.
"""

INTERVAL = np.dtype(
    [("query", "<i8"), ("first", "<u8"), ("last", "<u8"), ("before", "<i8"), ("inside", "<i8")]
)
"""Where a query's last match is sought: priorities from `first` to `last`, both in it; the
matches below it, and at most how many are in it, -1 if that is not known yet."""

EVERYTHING = np.uint64(0xFFFFFFFFFFFFFFFF)

CELLS = 1 << 20
"""A histogram of all sought queries has about so many cells (8 MB), or five a query if those are more."""

FEW = 1 << 21
"""All last bins together hold at most about so many matches (59 MB)."""

Entries = npt.NDArray[np.void]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Search:
    """Queries whose last match is sought, and how far that is."""

    rank: int
    """The last match is the one of this rank, 1 for the smallest."""
    rows: npt.NDArray[np.void]
    """INTERVAL array, one row a query, sorted by query."""

    @property
    def bins(self) -> int:
        """Bins of each interval: 4 to 1,024, so many that all cells together stay few."""
        return 1 << self._bin_bits

    @property
    def _bin_bits(self) -> int:
        return min(10, max(2, (CELLS // max(1, len(self.rows))).bit_length() - 1))

    @property
    def cells(self) -> int:
        """Cells of a histogram: what lies below an interval, then its bins, query after query."""
        return len(self.rows) * (self.bins + 1)

    @property
    def shift(self) -> UInt64s:
        """Each interval's bins are 2^shift priorities wide."""
        width = self.rows["last"] - self.rows["first"]
        bits = np.frexp(width.astype(np.float64))[1]  # the width is under 2^bits
        shift: UInt64s = np.maximum(0, bits - self._bin_bits).astype(np.uint64)
        return shift

    @property
    def narrow(self) -> Mask:
        """Which intervals hold so few matches, or one priority, that they can be read."""
        inside = self.rows["inside"]
        most = FEW if 0 <= inside.sum() <= FEW else FEW // len(inside)
        one = self.rows["first"] == self.rows["last"]
        narrow: Mask = (inside >= 0) & ((inside <= max(1, most)) | one)
        return narrow


def begin(counts: Counts, cap: int) -> Search:
    """Bound the last match of each query with more matches than the cap.

    Priorities are uniform, so of `count` matches the cap-th smallest lies at
    (cap ± (8 sqrt(cap) + 40)) / count of the hash range but for a chance under 1e-12
    (eight standard deviations); `tighten` notices that case and starts over. Of few
    matches all can be read, without counting in between.
    """
    head = np.flatnonzero(counts > cap)
    if counts[head].sum() <= FEW:
        whole = [(query, 0, EVERYTHING, 0, counts[query]) for query in head]
        return Search(cap, np.array(whole, INTERVAL))
    spread = 8 * math.sqrt(cap) + 40
    last = (cap + spread) / counts[head]
    rows = np.zeros(len(head), INTERVAL)
    rows["query"] = head
    rows["first"] = _of_range(np.maximum(0.0, (cap - spread) / counts[head]))
    rows["last"] = np.where(last < 1, _of_range(last), EVERYTHING)
    rows["inside"] = -1
    return Search(cap, rows)


def _of_range(share: npt.NDArray[np.float64]) -> UInt64s:
    """Give a share, 0 up to 1, of the range of 64-bit hashes."""
    return np.minimum(share * float(2**53), float(2**53 - 1)).astype(np.uint64) << np.uint64(11)


def sought_table(search: Search, queries: int) -> npt.NDArray[np.void]:
    """Lay a search out for workers: SOUGHT array of shape (queries,)."""
    table = np.zeros(queries, SOUGHT)
    table["cell"] = -1
    sought = search.rows["query"]
    table["cell"][sought] = np.arange(len(sought)) * (search.bins + 1)
    table["first"][sought] = search.rows["first"]
    table["last"][sought] = search.rows["last"]
    table["shift"][sought] = search.shift
    return table


def cells_of(matches: Matches, table: npt.NDArray[np.void], seed: int) -> npt.NDArray[np.int64]:
    """Give the cell of the histogram of each match that is in or below its query's interval.

    Args:
        matches: of some rows.
        table: of `sought_table`.
        seed: of the priorities.

    Returns:
        int64, one for each such match.
    """
    matches = matches.where(table["cell"][matches.ids] >= 0)
    sought = table[matches.ids]
    priority = matches.priorities(seed)
    below = priority < sought["first"]
    inside = ~below & (priority <= sought["last"])
    bins = (priority[inside] - sought["first"][inside]) >> sought["shift"][inside]
    cells: npt.NDArray[np.int64] = np.concatenate(
        [sought["cell"][below], sought["cell"][inside] + 1 + bins.astype(np.int64)]
    )
    return cells


def tighten(search: Search, histogram: Counts) -> Search:
    """Go on with the bin that holds each query's last match.

    Args:
        search: that was counted.
        histogram: int64 of shape (search.cells,).

    Returns:
        The search with smaller intervals; with the whole range for a query whose last match
        is not in the interval that was guessed.

    Raises:
        RuntimeError: a query has fewer matches than were counted: a defect of this program.
    """
    before = search.rows
    table = histogram.reshape(len(before), search.bins + 1)
    upto = np.cumsum(table, axis=1)
    missed = (table[:, 0] >= search.rank) | (upto[:, -1] < search.rank)
    if (missed & (before["first"] == 0) & (before["last"] == EVERYTHING)).any():
        raise RuntimeError("a query has fewer matches than were counted")
    cell = np.clip((upto < search.rank).sum(axis=1), 1, search.bins)
    query = np.arange(len(before))
    start = (cell - 1).astype(np.uint64) << search.shift  # from the interval's first priority
    start = np.minimum(start, before["last"] - before["first"])  # of a missed query any
    width = (np.uint64(1) << search.shift) - np.uint64(1)
    rows = before.copy()
    rows["first"] = before["first"] + start
    rows["last"] = rows["first"] + np.minimum(width, before["last"] - rows["first"])
    rows["before"] = upto[query, cell - 1]
    rows["inside"] = table[query, cell]
    for name, value in (("first", 0), ("last", EVERYTHING), ("before", 0), ("inside", -1)):
        rows[name][missed] = value
    return Search(search.rank, rows)


def found_in(matches: Matches, table: npt.NDArray[np.void], seed: int) -> npt.NDArray[np.void]:
    """List the matches in their queries' intervals.

    Args:
        matches: of some rows.
        table: of `sought_table`.
        seed: of the priorities.

    Returns:
        FOUND array.
    """
    matches = matches.where(table["cell"][matches.ids] >= 0)
    sought = table[matches.ids]
    priority = matches.priorities(seed)
    inside = (priority >= sought["first"]) & (priority <= sought["last"])
    found = np.empty(int(inside.sum()), FOUND)
    found["query"] = matches.ids[inside]
    found["priority"] = priority[inside]
    found["uid_high"], found["uid_low"] = matches.uids[matches.rows[inside]].T
    return found


def exact_table(queries: int, search: Search, found: npt.NDArray[np.void]) -> Entries:
    """Make the table that decides in exact mode: the last match that each query selects.

    Args:
        queries: size of the vocabulary.
        search: whose intervals are narrow.
        found: FOUND array of all matches in the intervals.

    Returns:
        ENTRY array of shape (queries,); a query that was not sought has all ones: it selects everything.

    Raises:
        RuntimeError: other matches were found than were counted: a defect of this program.
    """
    found = found[np.lexsort([found[name] for name in ("uid_low", "uid_high", "priority", "query")])]
    sought = search.rows["query"]
    starts = np.searchsorted(found["query"], sought)
    lengths = np.searchsorted(found["query"], sought, side="right") - starts
    rank = search.rank - search.rows["before"]
    if ((lengths < rank) | (lengths > search.rows["inside"])).any():
        raise RuntimeError("other matches were found than were counted")
    table = select_everything(queries)
    last = found[starts + rank - 1]
    for name in ENTRY.names or ():
        table[name][sought] = last[name]
    return table


def expected_table(counts: Counts, cap: int) -> Entries:
    """Make the table that decides in expected mode: cap / count of the hash range.

    Source: MetaCLIP (Xu et al. 2024), algorithm 1: each match is kept with probability
    min(1, t / count).

    Args:
        counts: matches of each query, int64 of shape (queries,).
        cap: matches that a query selects on average.

    Returns:
        ENTRY array of shape (queries,).
    """
    table = select_everything(len(counts))
    head = np.flatnonzero(counts > cap)
    table["priority"][head] = [(cap << 64) // int(count) - 1 for count in counts[head]]
    return table


def select_everything(queries: int) -> Entries:
    """Make a table of no thresholds: ENTRY array of all ones, of shape (queries,)."""
    return np.full(queries, np.array((EVERYTHING, EVERYTHING, EVERYTHING), ENTRY))


def chosen_by(matches: Matches, table: Entries, seed: int) -> Mask:
    """Tell which matches their queries select: those up to the query's last one.

    Args:
        matches: m matches of some rows.
        table: ENTRY array of shape (queries,).
        seed: of the priorities.

    Returns:
        bool of shape (m,).
    """
    last = table["priority"][matches.ids]
    priority = matches.priorities(seed)
    chosen: Mask = priority < last
    tied = np.flatnonzero(priority == last)
    ends = table[matches.ids[tied]]
    high, low = matches.uids[matches.rows[tied]].T
    same = high == ends["uid_high"]
    chosen[tied] = (high < ends["uid_high"]) | (same & (low <= ends["uid_low"]))
    return chosen
