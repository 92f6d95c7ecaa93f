"""A folder as `wit match` leaves it, for tests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from wit_builder import manifest
from wit_builder.manifest import sum_footers
from wit_builder.parts import PartSummary, part_path, write_table


def write_match(
    folder: Path, parts: Sequence[pa.RecordBatch], queries: int, semantics: str = "words", **facts: Any
) -> Path:
    """Write batches as the parts of a finished match."""
    manifest.begin(str(folder), "match", {"semantics": semantics}, {})
    names = [part_path(str(folder), index, len(parts)) for index in range(len(parts))]
    for name, batch in zip(names, parts, strict=True):
        write_table(name, pa.Table.from_batches([batch]), PartSummary(batch.num_rows, batch.num_rows))
    given = {"queries": queries, "vocabulary_digest": "abc", **facts}
    manifest.finish(str(folder), sum_footers(names), names, given)
    return folder
