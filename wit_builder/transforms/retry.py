"""Beam half of a retry: take the failed rows out of the store's indexes, to be fetched anew."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from wit_builder import schemas, storage, store
from wit_builder.parts import PartSummary, read_summary, read_table, write_table
from wit_builder.transforms.fetch import outcome_counts
from wit_builder.transforms.parts import WorkItem


@dataclass
class CopyFailed:
    """Copies the failed rows of one index into a part of pairs."""

    statuses: tuple[str, ...]

    def setup(self) -> None:
        """Nothing to open."""

    def run(self, item: WorkItem) -> PartSummary:
        """Copy the rows of one index."""
        rows = read_table(item.inputs[0])
        failed = rows.filter(_has_status(rows, self.statuses)).select(schemas.MATCHED_PAIR.names)
        summary = PartSummary(failed.num_rows, failed.num_rows)
        write_table(item.output, failed.cast(schemas.MATCHED_PAIR), summary)
        return summary


@dataclass
class DropFailed:
    """Rewrites one index without the rows that were fetched anew, then leaves a mark of it.

    Doing it again changes nothing: failed rows of this index are none any more.
    """

    statuses: tuple[str, ...]

    def setup(self) -> None:
        """Nothing to open."""

    def run(self, item: WorkItem) -> PartSummary:
        """Rewrite one index in its place."""
        index = item.inputs[0]
        rows, before = read_table(index), read_summary(index)
        kept = rows.filter(pc.invert(_has_status(rows, self.statuses)))
        rows_in = kept.num_rows + sum(before.dropped.values())  # a purge may have dropped some
        counts = outcome_counts(kept.to_pylist())
        summary = PartSummary(rows_in, kept.num_rows, before.dropped, counts)
        folder, name = index.rpartition("/")[0], storage.basename(index).removesuffix(".parquet")
        store.commit_index(folder, name, kept, summary)
        write_table(item.output, kept.slice(0, 0), PartSummary())
        return summary


def _has_status(rows: pa.Table, statuses: tuple[str, ...]) -> pa.ChunkedArray:
    return pc.is_in(rows.column("status"), pa.array(statuses, pa.string()))
