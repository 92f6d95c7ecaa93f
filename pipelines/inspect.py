"""Show what a file or folder of the road holds."""

import io
import tarfile
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from pipelines.cli import main_of
from pipelines.options import option, require
from pipelines.session import Session
from wit_builder import manifest, storage
from wit_builder.errors import UserError
from wit_builder.parts import list_parts

_MEMBERS = 9


@dataclass(frozen=True, kw_only=True)
class InspectOptions:
    """Options of `wit inspect`."""

    path: str = option("Parquet part, shard, or output folder of a stage.", argument=True)
    rows: int = option("Rows to show.", 3)

    def __post_init__(self) -> None:
        require("rows", self.rows, 1)


def run(options: InspectOptions, session: Session) -> dict[str, Any]:
    """Describe a Parquet file, a tar, or a folder by its manifest and first part.

    Raises:
        UserError: the path is missing or none of these.
    """
    del session  # reading one file needs no progress
    path = options.path
    if path.endswith(".parquet"):
        return _parquet(path, options.rows)
    if path.endswith(".tar"):
        return _tar(path)
    if storage.exists(storage.join(path, manifest.MANIFEST)):
        return {**manifest.read(path), **_first_part(path, options.rows)}
    if not storage.exists(path):
        raise UserError(f"{path} does not exist; check the path")
    raise UserError(f"{path} is no .parquet, no .tar and no output of a stage; name one of these")


def _first_part(folder: str, rows: int) -> dict[str, Any]:
    try:
        return _parquet(list_parts(folder)[0], rows)
    except UserError:
        return {}  # a stage whose output is no parts, such as the vocabulary


def _parquet(path: str, rows: int) -> dict[str, Any]:
    with storage.open_read(path) as handle:
        file = pq.ParquetFile(handle)
        first = next(file.iter_batches(rows), None)
        return {
            "path": path,
            "rows": file.metadata.num_rows,
            "columns": {field.name: str(field.type) for field in file.schema_arrow},
            "first_rows": first.to_pylist() if first else [],
        }


def _tar(path: str) -> dict[str, Any]:
    with tarfile.open(fileobj=io.BytesIO(storage.read_bytes(path))) as archive:
        members = archive.getmembers()
    return {
        "path": path,
        "members": len(members),
        "bytes": sum(member.size for member in members),
        "first_members": {member.name: member.size for member in members[:_MEMBERS]},
    }


if __name__ == "__main__":
    main_of("pipelines.inspect")
