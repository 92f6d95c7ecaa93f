"""One output part: a Parquet file whose footer says what became of every row.

A part appears complete or not at all, so a committed part is never made again.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wit_builder import storage
from wit_builder.errors import UserError
from wit_builder.hashing import mix, uid_words
from wit_builder.records import DropReason

ROWS_PER_GROUP = 16_384
_BYTES_PER_GROUP = 64 << 20
"""Rows can be long: no more than about this is held before it is written."""
REJECT_SAMPLE = 1_000
"""One rejected row in so many is written down, chosen by the hash of its uid."""

_ALL_DIFFERENT = ("uid", "url", "text")
"""Columns for which Parquet need not try a dictionary: a third of the writing time."""

_FOOTER_KEY = b"wit_builder"
_REJECT_SEED = 0x5EC


@dataclass(frozen=True, slots=True)
class PartSummary:
    """Rows in, rows out and why the rest is missing, for one part or a sum of parts."""

    rows_in: int = 0
    rows_out: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Rows by `DropReason`; rows_in = rows_out + the sum of these."""
    counters: Mapping[str, int] = field(default_factory=dict)
    """Whatever else was counted, such as records read and bad records."""

    def __add__(self, other: "PartSummary") -> "PartSummary":
        return PartSummary(
            self.rows_in + other.rows_in,
            self.rows_out + other.rows_out,
            dict(sorted((Counter(self.dropped) + Counter(other.dropped)).items())),
            dict(sorted((Counter(self.counters) + Counter(other.counters)).items())),
        )

    def then(self, later: "PartSummary") -> "PartSummary":
        """Chain two steps of a stage: the later one took what this one gave."""
        total = self + later
        return PartSummary(self.rows_in, later.rows_out, total.dropped, total.counters)


def part_path(folder: str, index: int, count: int) -> str:
    """Name part `index` of `count`: part-SSSSS-of-NNNNN.parquet."""
    return storage.join(folder, f"part-{index:05d}-of-{count:05d}.parquet")


def list_parts(folder: str) -> list[str]:
    """List the committed parts of a stage, in order.

    Raises:
        UserError: the folder has no parts.
    """
    names = storage.list_dir(folder, ".parquet")
    parts = [name for name in names if storage.basename(name).startswith("part-")]
    if not parts:
        raise UserError(f"{folder} has no part-*.parquet; run the stage that makes it first")
    counts = {storage.basename(part).partition("-of-")[2] for part in parts}
    if len(counts) > 1:
        raise UserError(f"{folder} holds parts of several runs ({', '.join(sorted(counts))}); remove it")
    return parts


def read_batches(
    paths: Iterable[str], columns: list[str] | None = None, rows: int = 1_000
) -> Iterator[pa.RecordBatch]:
    """Stream the rows of some parts as record batches.

    Args:
        paths: Parquet files.
        columns: names to read; all if None.
        rows: at most so many rows a batch.

    Raises:
        UserError: a file is missing or is not Parquet.
    """
    for path in paths:
        with storage.open_read(path) as handle:
            yield from _open_parquet(path, handle).iter_batches(rows, columns=columns)


def read_table(path: str, columns: list[str] | None = None) -> pa.Table:
    """Read one whole (bounded) part."""
    with storage.open_read(path) as handle:
        return _open_parquet(path, handle).read(columns)


def read_summary(path: str) -> PartSummary:
    """Read the summary in a part's footer.

    Raises:
        UserError: the file is missing, is not Parquet or is no part of ours.
    """
    with storage.open_read(path) as handle:
        metadata = _open_parquet(path, handle).metadata.metadata or {}
    if _FOOTER_KEY not in metadata:
        raise UserError(f"{path} is Parquet but no part of a stage; name a folder that `wit` wrote")
    return PartSummary(**json.loads(metadata[_FOOTER_KEY]))


def _open_parquet(path: str, handle: object) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(handle)
    except pa.ArrowInvalid as error:
        raise UserError(f"{path} is not a readable Parquet file ({error}); remove it and run again") from None


def write_table(path: str, table: pa.Table, summary: PartSummary) -> None:
    """Write a part whose rows are all at hand, with a summary made elsewhere."""
    table = table.replace_schema_metadata()  # of the part it was read from
    with (
        storage.write_file(path) as handle,
        _parquet_writer(handle, table.schema) as out,
    ):
        out.write_table(table, row_group_size=ROWS_PER_GROUP)
        out.add_key_value_metadata({_FOOTER_KEY: json.dumps(asdict(summary)).encode()})


def write_groups(path: str, groups: Iterable[pa.Table], schema: pa.Schema, summary: PartSummary) -> None:
    """Write a part whose row groups are read one by one, by `read_group`."""
    with storage.write_file(path) as handle, _parquet_writer(handle, schema) as out:
        for rows in groups:
            out.write_table(rows, row_group_size=max(1, rows.num_rows))
        out.add_key_value_metadata({_FOOTER_KEY: json.dumps(asdict(summary)).encode()})


def read_group(path: str, index: int) -> pa.Table:
    """Read one row group of a part."""
    with storage.open_read(path) as handle:
        return _open_parquet(path, handle).read_row_group(index)


@contextmanager
def write_part(path: str, schema: pa.Schema, *, all_rejects: bool = False) -> Iterator["PartWriter"]:
    """Open a part for writing; it is committed when the block ends without an error.

    Args:
        path: the part's final name.
        schema: of the rows that stay.
        all_rejects: write down every rejected row, not one in 1,000.

    Raises:
        UserError: the folder cannot be written.
    """
    with storage.write_file(path) as handle, _parquet_writer(handle, schema) as writer:
        part = PartWriter(writer, all_rejects)
        yield part
        part.close(rejects_path=_rejects_path(path))


def _parquet_writer(handle: IO[bytes], schema: pa.Schema) -> pq.ParquetWriter:
    repeating = [name for name in schema.names if name not in _ALL_DIFFERENT]
    return pq.ParquetWriter(handle, schema, compression="zstd", use_dictionary=repeating)


def _rejects_path(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return storage.join(folder, "rejects", name)


def reasons_where(dropped: npt.NDArray[np.bool_], reason: DropReason) -> pa.Array:
    """Give one reason to the rows of a mask and null to the others: a string array."""
    return pc.if_else(pa.array(dropped), pa.scalar(reason.value), pa.scalar(None, pa.string()))


def reasons_by_number(numbers: npt.NDArray[np.integer[Any]], reasons: Sequence[DropReason]) -> pa.Array:
    """Give n rows the reasons that they number, and null where the number is -1: a string array."""
    words = pa.array([reason.value for reason in reasons], pa.string())
    return words.take(pa.array(numbers, mask=numbers < 0))


def write_rejects(path: str, rejected: pa.Table, *, all_rejects: bool) -> None:
    """Write down rejected rows, or one in 1,000 of them; no file if there is none.

    Args:
        path: of the file.
        rejected: rows with uid and `drop_reason`.
        all_rejects: write every one.
    """
    if not all_rejects:
        rejected = rejected.filter(_in_sample(rejected))
    if rejected.num_rows:
        with storage.write_file(path) as handle:
            pq.write_table(rejected.replace_schema_metadata(), handle, compression="zstd")


def _in_sample(rejected: pa.Table | pa.RecordBatch) -> pa.Array:
    priorities = mix(uid_words(rejected.column("uid")), _REJECT_SEED)
    return pa.array(priorities % np.uint64(REJECT_SAMPLE) == 0)


def read_rejects(path: str) -> pa.Table | None:
    """Read the rejected rows beside a part, with their `drop_reason`; None if there are none."""
    rejects = _rejects_path(path)
    return read_table(rejects) if storage.exists(rejects) else None


class PartWriter:
    """Takes the rows of one part, keeps the good ones and counts the others."""

    def __init__(self, writer: pq.ParquetWriter, all_rejects: bool) -> None:
        self._writer = writer
        self._schema = writer.schema
        self._all_rejects = all_rejects
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0
        self._pending_bytes = 0
        self._rejects: list[pa.RecordBatch] = []
        self._rows_in = 0
        self._rows_out = 0
        self._dropped: Counter[str] = Counter()
        self._counters: Counter[str] = Counter()

    def write(self, batch: pa.RecordBatch, reasons: pa.Array | None = None) -> None:
        """Add rows.

        Args:
            batch: n rows; its columns begin with those of the schema.
            reasons: string array of n: why each row is dropped, null if it stays.
        """
        self._rows_in += batch.num_rows
        if reasons is not None and reasons.null_count < len(reasons):
            for entry in reasons.drop_null().value_counts().to_pylist():
                self._dropped[entry["values"]] += entry["counts"]
            self._keep_rejects(batch, reasons)
            batch = batch.filter(reasons.is_null())
        self._rows_out += batch.num_rows
        self._pending.append(batch.select(self._schema.names))
        self._pending_rows += batch.num_rows
        self._pending_bytes += batch.nbytes
        if self._pending_rows >= ROWS_PER_GROUP or self._pending_bytes >= _BYTES_PER_GROUP:
            self._flush()

    def drop(self, reason: DropReason, rows: int = 1) -> None:
        """Count rows that came in and go no further, without writing them down."""
        self._rows_in += rows
        self._dropped[reason.value] += rows

    def count(self, what: str, number: int = 1) -> None:
        """Count something that is no row, such as a bad record."""
        self._counters[what] += number

    def report(self, rows: PartSummary) -> None:
        """Give the counts of a part whose rows are not those that came in."""
        self._rows_in, self._rows_out, self._dropped = rows.rows_in, rows.rows_out, Counter(rows.dropped)

    def follow(self, path: str) -> None:
        """Go on where an earlier part of the same stage ended: take over its counts and its rejects.

        What comes in here is what stayed there.
        """
        earlier = read_summary(path)
        self._rows_in += earlier.rows_in - earlier.rows_out
        self._dropped.update(earlier.dropped)
        self._counters.update(earlier.counters)
        rejects = read_rejects(path)
        if rejects is not None:
            self._rejects += rejects.to_batches()

    def summary(self) -> PartSummary:
        """Sum up what was written so far."""
        return PartSummary(
            self._rows_in,
            self._rows_out,
            dict(sorted((+self._dropped).items())),
            dict(sorted((+self._counters).items())),
        )

    def _keep_rejects(self, batch: pa.RecordBatch, reasons: pa.Array) -> None:
        rows = batch.select(self._schema.names).filter(reasons.is_valid())
        rejected = rows.append_column("drop_reason", reasons.drop_null())
        if not self._all_rejects:
            rejected = rejected.filter(_in_sample(rejected))
        if rejected.num_rows:
            self._rejects.append(rejected)

    def _flush(self) -> None:
        table = pa.Table.from_batches(self._pending, self._schema)
        self._writer.write_table(table, row_group_size=ROWS_PER_GROUP)
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0

    def close(self, rejects_path: str) -> None:
        """Write what is pending, the rejects and the footer."""
        if self._pending:
            self._flush()
        if self._rejects:
            with storage.write_file(rejects_path) as handle:
                pq.write_table(pa.Table.from_batches(self._rejects), handle, compression="zstd")
        self._writer.add_key_value_metadata({_FOOTER_KEY: json.dumps(asdict(self.summary())).encode()})
        self._writer.close()
