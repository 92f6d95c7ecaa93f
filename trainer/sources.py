"""Images with targets, however they lie: tars, folders of classes, Parquet; `libraries` has more.

Each kind reads by number, so that several processes can share the work, and gives
image files as bytes, so that one decoder serves all.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trainer.shard_index import index_shards
from wit_builder.storage import UserError, basename, exists, expand, join, list_dir, read_bytes

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm")
IMAGE_COLUMNS, LABEL_COLUMNS = (
    ("image", "img", "jpg", "png", "webp"),
    ("label", "labels", "fine_label", "cls"),
)


class Source(Protocol):
    """n images with their targets; `trainer.shard_index.ShardIndex` is one."""

    @property
    def incomplete(self) -> int:
        """Samples left out because a part is missing."""

    def __len__(self) -> int: ...

    def read(self, number: int) -> tuple[bytes, bytes]:
        """Read an image file and its target: a class number or captions in UTF-8, or an .npy of 0 and 1."""

    def key(self, number: int) -> str:
        """Name a sample within the source."""

    def name(self, number: int) -> str:
        """Name a sample for a message."""

    def digest(self) -> str:
        """Give a SHA-256, in hex, that changes with the samples."""


@dataclass(frozen=True)
class ClassFolders:
    """A folder of classes, each a folder of images (torchvision's ImageFolder).

    Attributes:
        paths: the images, sorted.
        classes: the folders' names, sorted.
    """

    paths: tuple[str, ...]
    classes: tuple[str, ...]
    incomplete: int = 0

    @cached_property
    def _number_of(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, number: int) -> tuple[bytes, bytes]:
        """Read an image file and its class number."""
        label = self._number_of[self.paths[number].rsplit("/", 2)[1]]
        return read_bytes(self.paths[number]), str(label).encode()

    def key(self, number: int) -> str:
        """Name a sample within the source."""
        return "/".join(self.paths[number].rsplit("/", 2)[1:])

    def name(self, number: int) -> str:
        """Name a sample for a message."""
        return self.paths[number]

    def digest(self) -> str:
        """Give a SHA-256, in hex, of the names of the parts."""
        return hashlib.sha256("\n".join(map(self.key, range(len(self)))).encode()).hexdigest()


@dataclass(frozen=True)
class ParquetImages:
    """Parquet files with a column of image files and one of class numbers, as Hugging Face writes them.

    Attributes:
        paths: the files, sorted.
        columns: names of the image and the label column.
        groups: (file, row group) of each row group, in order.
        starts: int64, (groups + 1): the first row of each row group, and the end.
    """

    paths: tuple[str, ...]
    columns: tuple[str, str]
    groups: tuple[tuple[int, int], ...]
    starts: np.ndarray[Any, np.dtype[np.int64]]
    incomplete: int = 0

    def __len__(self) -> int:
        return int(self.starts[-1])

    def read(self, number: int) -> tuple[bytes, bytes]:
        """Read an image file and its class number."""
        group = int(np.searchsorted(self.starts, number, "right")) - 1
        file, place = self.groups[group]
        table = _row_group(self.paths[file], place, self.columns)
        image, label = (column[number - int(self.starts[group])].as_py() for column in table.columns)
        data = image["bytes"] if isinstance(image, dict) else image
        if data is None or label is None:
            return b"", b""
        return data, str(label).encode()

    def key(self, number: int) -> str:
        """Name a sample within the source."""
        return str(number)

    def name(self, number: int) -> str:
        """Name a sample for a message."""
        return f"row {number} of {basename(self.paths[0])}"

    def digest(self) -> str:
        """Give a SHA-256, in hex, of the names of the parts."""
        names = [basename(path) for path in self.paths]
        return hashlib.sha256(repr((names, self.columns, self.starts.tolist())).encode()).hexdigest()


@lru_cache(maxsize=2)
def _row_group(path: str, place: int, columns: tuple[str, str]) -> pa.Table:
    with pq.ParquetFile(path) as file:
        return file.read_row_group(place, list(columns)).select(list(columns))


def open_folder(folder: str, split: str) -> tuple[Source, list[str] | None]:
    """Open a split of a folder: tars in CLIP_benchmark's layout, Parquet, or folders of classes.

    The split is a folder inside, or the beginning of the Parquet files' names; a folder
    that is not divided is its own `test`.

    Returns:
        the images, and the classes' names where the layout tells them.

    Raises:
        UserError: no such split, or nothing in it that is known.
    """
    inner = join(folder, split) if exists(join(folder, split)) else folder
    parquet = [path for path in list_dir(inner, ".parquet") if inner != folder or _is_of(path, split)]
    if inner == folder and not parquet and split != "test":
        raise UserError(f"{folder} has no {split} split; give it a folder {split}")
    if list_dir(inner, ".tar"):
        several = _text(join(folder, "dataset_type.txt")) == "multilabel"
        return index_shards(inner, "npy" if several else "cls"), None
    if parquet:
        return _open_parquet(parquet)
    return _open_class_folders(inner)


def _is_of(path: str, split: str) -> bool:
    name = basename(path)
    divided = any(name.startswith(other) for other in ("train", "test", "val"))
    return name.startswith(split) or (split == "test" and not divided)


def _text(path: str) -> str:
    return read_bytes(path).decode("utf-8").strip().lower() if exists(path) else ""


def _open_class_folders(folder: str) -> tuple[Source, list[str]]:
    missing = UserError(f"{folder} holds no .tar, no .parquet and no folders of images; check the path")
    if not exists(folder):
        raise missing
    try:
        found = [path for path in expand(join(folder, "*", "*")) if path.lower().endswith(IMAGE_SUFFIXES)]
    except UserError:
        raise missing from None
    if not found:
        raise missing
    classes = sorted({path.rsplit("/", 2)[1] for path in found})
    return ClassFolders(tuple(found), tuple(classes)), classes


def _open_parquet(paths: list[str]) -> tuple[Source, list[str] | None]:
    groups, counts = [], []
    for number, path in enumerate(paths):
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            for place in range(file.num_row_groups):
                groups.append((number, place))
                counts.append(file.metadata.row_group(place).num_rows)
    columns = (_one_of(schema, IMAGE_COLUMNS, paths[0]), _one_of(schema, LABEL_COLUMNS, paths[0]))
    starts = np.cumsum([0, *counts], dtype=np.int64)
    return ParquetImages(tuple(paths), columns, tuple(groups), starts), _told_classes(schema, columns[1])


def _one_of(schema: pa.Schema, names: tuple[str, ...], path: str) -> str:
    for name in names:
        if name in schema.names:
            return name
    raise UserError(f"{path} has columns {', '.join(schema.names)}; name one {' or '.join(names)}")


def _told_classes(schema: pa.Schema, label: str) -> list[str] | None:
    """Read the class names out of the metadata that Hugging Face's `datasets` writes."""
    metadata = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    feature = metadata.get("info", {}).get("features", {}).get(label, {})
    names = feature.get("names")
    return [str(name) for name in names] if names else None
