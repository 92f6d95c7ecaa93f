"""Purging a part of the image store: its tar and its index are written again without some rows.

The new tar has another content hash, so another name. The index that names it commits
the change; the old tar is an orphan from then on, and is swept.
"""

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from wit_builder import store
from wit_builder.parts import PartSummary, read_summary, read_table
from wit_builder.ranges import Piece, read_pieces
from wit_builder.records import DropReason
from wit_builder.shard_files import LOCATION, extension_of


def purge_part(index: str, uids: pa.Array) -> PartSummary:
    """Take rows, and the bytes that no other row has, out of a part of the store.

    Args:
        index: path of the part's index.
        uids: of the rows that go; those that are gone already do not matter.

    Returns:
        What the index's footer says.
    """
    folder, _, name = index.rpartition("/")
    before, rows = read_summary(index), read_table(index)
    stay = rows.filter(pc.invert(pc.is_in(rows.column("uid"), uids)))
    gone = rows.num_rows - stay.num_rows
    dropped = Counter(before.dropped) + Counter({DropReason.EXCLUDED.value: gone})
    summary = PartSummary(
        before.rows_in, before.rows_out - gone, dict(sorted(dropped.items())), before.counters
    )
    stem = name.removesuffix(".parquet")
    store.commit_index(folder, stem, _copy_images(folder, stem, stay), summary)
    return summary


def _copy_images(folder: str, name: str, rows: pa.Table) -> pa.Table:
    """Write a tar of the images of some rows; give the rows with their new places."""
    places = rows.select(LOCATION).to_pylist()
    pieces = sorted({Piece(*place.values()) for place in places if place["store_file"]})
    tars: list[str] = []
    with store.write_store_tar(folder, name, tars) as writer:
        images = read_pieces(folder, pieces)
        moved = {
            piece: writer.append(data, extension_of(data)) for piece, data in zip(pieces, images, strict=True)
        }
    columns: dict[str, list[Any]] = {column: [] for column in LOCATION}
    for place in places:
        found = moved.get(Piece(*place.values()))
        columns["store_file"].append(tars[0] if found else None)
        columns["store_offset"].append(found and found.offset)
        columns["store_size"].append(found and found.size)
    for column, values in columns.items():
        at = rows.schema.get_field_index(column)
        rows = rows.set_column(at, rows.schema.field(at), pa.array(values, rows.schema.field(at).type))
    return rows
