"""How a vocabulary came about: its thresholds and the counts that it was chosen from.

The folder of a built vocabulary keeps, as `part-SSSSS-of-NNNNN.parquet` in
`schemas.NGRAM`, what was counted: `frequent/` words and bigrams, `views/` titles by
the name that they would be a query under. Both go down to floors below the
thresholds. The hash of a text names its part; each part is sorted by text.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wit_builder import manifest, storage
from wit_builder.errors import UserError
from wit_builder.hashing import hash_text
from wit_builder.parts import list_parts, part_path

IMPORTED = "imported"
"""Fact of a manifest: the vocabulary is a list that somebody gave."""

_FACTS = ("words", "word_floor", "bigram_floor", "views_floor", "lowest_pmi", "cut_by_max_queries")


class Making:
    """What a vocabulary's folder tells of its build.

    Args:
        folder: of the vocabulary.
        options: of the build: the thresholds; none if the vocabulary was imported.
        facts: of its manifest.
    """

    def __init__(self, folder: str, options: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        self._folder = folder
        self.options = options
        self.facts = facts

    @classmethod
    def open(cls, folder: str) -> "Making | None":
        """Read the manifest of a vocabulary's folder.

        Returns:
            None if the vocabulary was not built but imported, or has no manifest.

        Raises:
            UserError: the manifest is damaged or of another version.
        """
        path = storage.join(folder, manifest.MANIFEST)
        if not storage.exists(path):
            return None
        told = manifest.read(folder)
        facts = told.get("facts", {})
        if IMPORTED in facts:
            return None
        missing = [name for name in _FACTS if name not in facts]
        if missing:
            raise UserError(f"{path} does not tell {missing[0]}; run `wit vocab build` again")
        return cls(folder, told["options"], facts)

    def occurrences(self, text: str) -> int | None:
        """Give the occurrences of a word or bigram; None if they are below the floor."""
        return _look_up(storage.join(self._folder, "frequent"), text)

    def views(self, text: str) -> int | None:
        """Give the page views of the article of a name; None if they are below the floor."""
        return _look_up(storage.join(self._folder, "views"), text)

    def has_views(self) -> bool:
        """Tell whether any page views were counted."""
        folder = storage.join(self._folder, "views")
        return any(manifest.sum_footers([part]).rows_out for part in storage.list_dir(folder, ".parquet"))


def _look_up(folder: str, text: str) -> int | None:
    """Find the count of a text.

    Raises:
        UserError: its part is missing or damaged.
    """
    parts = int(list_parts(folder)[0].rpartition("-of-")[2].removesuffix(".parquet"))
    path = part_path(folder, hash_text(text) % parts, parts)
    with storage.open_read(path) as handle:
        try:
            rows = _rows_around(pq.ParquetFile(handle), text)
        except (OSError, pa.ArrowInvalid) as error:
            raise UserError(f"{path} cannot be read ({error}); run `wit vocab build` again") from None
    place = pc.index(rows.column("text"), text).as_py()
    return None if place < 0 else int(rows.column("count")[place].as_py())


def _rows_around(file: pq.ParquetFile, text: str) -> pa.Table:
    """Read the row groups that a text can be in: one, as they are sorted, whatever the file's size."""
    groups = []
    for group in range(file.num_row_groups):
        bounds = file.metadata.row_group(group).column(0).statistics
        if bounds is None or not bounds.has_min_max or bounds.min <= text <= bounds.max:
            groups.append(group)
    return file.read_row_groups(groups, use_threads=False)
