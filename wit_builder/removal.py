"""Taking items out of a finished dataset or store: what is listed, where it is, what went.

Each removal is a folder `removed/NNNNN` in the dataset, numbered by the version that
it makes: the ledger of what went, and a list of it that later runs keep out.
"""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from wit_builder import manifest, storage
from wit_builder.exclude import EXCLUDE_FILE, ExcludeList
from wit_builder.parts import read_batches

LEDGER = pa.schema(
    [
        pa.field("file", pa.string(), nullable=False),  # sidecar or index, by its path in the folder
        pa.field("uid", pa.string(), nullable=False),
        pa.field("url", pa.string(), nullable=False),
        pa.field("sha256", pa.string()),
        pa.field("entry", pa.string(), nullable=False),  # of the list
    ]
)

_COLUMNS = ["uid", "url", "sha256", "phash"]
_ROWS = 10_000


def version_folder(folder: str, version: int) -> str:
    """Name the folder of the removal that makes a version; the first version has none."""
    return storage.join(folder, "removed", f"{version:05d}")


def lists_of(folder: str) -> list[str]:
    """List what finished removals have taken out of a dataset: an exclude list each."""
    lists: list[str] = []
    while manifest.is_complete(removed := version_folder(folder, len(lists) + 2)):
        lists.append(storage.join(removed, EXCLUDE_FILE))
    return lists


def find_listed(folder: str, path: str, exclude: ExcludeList) -> pa.Table:
    """Find the rows of a sidecar or an index that a list names.

    Args:
        folder: of the dataset or store.
        path: of the file in it.
        exclude: the list.

    Returns:
        Table in `LEDGER`.
    """
    name = path.removeprefix(storage.join(folder, ""))
    found = []
    for batch in read_batches([path], _COLUMNS, _ROWS):
        rows = pa.Table.from_batches([batch])
        entries = exclude.grounds(rows)
        rows = rows.drop_columns(["phash"]).append_column("entry", entries).filter(pc.is_valid(entries))
        rows = rows.add_column(0, "file", pa.array([name] * rows.num_rows, pa.string()))
        found.append(rows.cast(LEDGER))
    return pa.concat_tables([LEDGER.empty_table(), *found])


def uids_of(ledger: Iterable[str]) -> list[str]:
    """List the pairs that a ledger tells of.

    Args:
        ledger: its parts.
    """
    uids: list[str] = []
    for batch in read_batches(ledger, ["uid"], _ROWS):
        uids += batch.column("uid").to_pylist()
    return uids


def extend(exclude: ExcludeList, ledger: Iterable[pa.RecordBatch]) -> ExcludeList:
    """Add to a list what is known of the rows it names, so that nothing of them comes again.

    Args:
        exclude: the list.
        ledger: rows in `LEDGER`.
    """
    for rows in ledger:
        for kind in ("uid", "url", "sha256"):
            values = rows.column(kind).drop_null().to_pylist()
            exclude = exclude.with_entries(kind, values)
    return exclude
