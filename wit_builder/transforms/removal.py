"""Beam half of `wit_builder.removal`: look through files, write those again that hold something listed."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from wit_builder import storage
from wit_builder.exclude import ExcludeList
from wit_builder.parts import PartSummary, read_table, write_table
from wit_builder.purge import purge_part
from wit_builder.removal import LEDGER, find_listed
from wit_builder.shard_files import remove_samples
from wit_builder.transforms.parts import WorkItem


@dataclass
class FindListed:
    """Finds, in sidecars or indexes, the rows that a list names."""

    folder: str
    exclude: str
    """The list."""

    def setup(self) -> None:
        """Read the list."""
        self._exclude = ExcludeList.read([self.exclude])

    def run(self, item: WorkItem) -> PartSummary:
        """Look through some files."""
        found = pa.concat_tables(find_listed(self.folder, path, self._exclude) for path in item.inputs)
        summary = PartSummary(found.num_rows, found.num_rows)
        write_table(item.output, found, summary)
        return summary


def _listed_in(item: WorkItem, folder: str) -> tuple[str, pa.Table]:
    """Give the file that an item is to change, and its rows of the ledger."""
    path, found = item.inputs
    name = path.removeprefix(storage.join(folder, ""))
    ledger = read_table(found)
    return path, ledger.filter(pc.equal(ledger.column("file"), name))


def _commit(item: WorkItem, ledger: pa.Table) -> PartSummary:
    summary = PartSummary(ledger.num_rows, ledger.num_rows)
    write_table(item.output, ledger.cast(LEDGER), summary)
    return summary


@dataclass
class RemoveSamples:
    """Writes a shard again without what was found in it; the ledger's part commits it."""

    dataset: str

    def setup(self) -> None:
        """Nothing to open."""

    def run(self, item: WorkItem) -> PartSummary:
        """Change one shard: the inputs are its sidecar and what was found."""
        sidecar, ledger = _listed_in(item, self.dataset)
        remove_samples(sidecar, ledger.column("uid").combine_chunks())
        return _commit(item, ledger)


@dataclass
class PurgeImages:
    """Writes a tar and an index of the store again without what was found; the ledger's part commits it."""

    folder: str
    """Of the store."""

    def setup(self) -> None:
        """Nothing to open."""

    def run(self, item: WorkItem) -> PartSummary:
        """Change one index and its tar: the inputs are the index and what was found."""
        index, ledger = _listed_in(item, self.folder)
        purge_part(index, ledger.column("uid").combine_chunks())
        return _commit(item, ledger)
