"""What became of the queries of one vocabulary in another."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vocab import columns
from vocab.statistics import named_sources, source_bits

_SCORES = ("count", "pmi", "pageviews")

Int64s = npt.NDArray[np.int64]
Fields = dict[str, tuple[Any, Any]]
"""Old and new value by the name of a field."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What it takes to make one vocabulary of another: ids, sorted."""

    added: Int64s
    """In the new vocabulary."""
    removed: Int64s
    """In the old vocabulary."""
    changed: tuple[Int64s, Int64s]
    """In the old and in the new vocabulary, of queries whose sources or scores are not the same in both."""
    same: int
    """Queries that are the same in both, but for their ids."""


def compare(old: pa.Table, new: pa.Table) -> Difference:
    """Compare two vocabularies, query by query.

    Args:
        old: in `schemas.QUERY`.
        new: in `schemas.QUERY`.
    """
    before = pc.index_in(new.column("query"), value_set=old.column("query").combine_chunks())
    known = before.is_valid().to_numpy()
    in_old, in_new = before.drop_null().to_numpy().astype(np.int64), np.flatnonzero(known)
    removed = np.ones(old.num_rows, np.bool_)
    removed[in_old] = False
    differs = np.logical_or.reduce([*_differences(old.take(in_old), new.take(in_new)).values()])
    return Difference(
        added=np.flatnonzero(~known),
        removed=np.flatnonzero(removed),
        changed=(in_old[differs], in_new[differs]),
        same=int(np.count_nonzero(~differs)),
    )


def _differences(old: pa.Table, new: pa.Table) -> dict[str, npt.NDArray[np.bool_]]:
    """Tell in which fields rows that stand for the same query each differ."""
    scores = {name: _differs(old.column(name), new.column(name)) for name in _SCORES}
    return {"sources": source_bits(old) != source_bits(new), **scores}


def _differs(old: pa.ChunkedArray, new: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    unequal = pc.fill_null(pc.not_equal(old, new), False)
    either: npt.NDArray[np.bool_] = pc.or_(unequal, pc.xor(old.is_null(), new.is_null())).to_numpy()
    return either


def describe_changes(old: pa.Table, new: pa.Table) -> dict[str, Fields]:
    """Tell what changed in some queries.

    Args:
        old: rows in `schemas.QUERY`.
        new: the same queries in the other vocabulary.

    Returns:
        By query, old and new value of each field that is not the same.
    """
    differences = _differences(old, new)
    values: dict[str, tuple[list[Any], list[Any]]] = {
        "sources": (_sources(old), _sources(new)),
        **{name: (_numbers(old.column(name)), _numbers(new.column(name))) for name in _SCORES},
    }
    changes: dict[str, Fields] = {query: {} for query in columns.to_list(new.column("query"))}
    by_row = list(changes.values())
    for name, differs in differences.items():
        before, after = values[name]
        for row in np.flatnonzero(differs).tolist():
            by_row[row][name] = (before[row], after[row])
    return changes


def _sources(table: pa.Table) -> list[list[str]]:
    bits = source_bits(table)
    sets = [named_sources(number) for number in range(int(bits.max(initial=0)) + 1)]
    return [sets[number] for number in bits.tolist()]


def _numbers(column: pa.ChunkedArray) -> list[Any]:
    """As `to_pylist`, some ten times as fast."""
    numbers: list[Any] = column.fill_null(0).to_numpy().tolist()
    for row in np.flatnonzero(column.is_null().to_numpy()).tolist():
        numbers[row] = None
    return numbers
