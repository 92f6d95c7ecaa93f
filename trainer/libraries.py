"""Data sets that a library keeps: torchvision's, and Hugging Face's `datasets`, by name.

Both are loaded only when one is asked for.
"""

import hashlib
import inspect
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image

from trainer.sources import IMAGE_COLUMNS, LABEL_COLUMNS, Source
from wit_builder.storage import UserError, exists, read_bytes

TORCHVISION, HUGGING_FACE = "torchvision:", "huggingface:"


@dataclass(frozen=True)
class PickedImages:
    """A library's data set, whose images and classes a function picks.

    Attributes:
        label: what it is, for messages and the digest.
        count: number of images.
        pick: image file or picture, and class number, by number.
    """

    label: str
    count: int
    pick: Callable[[int], tuple[Any, int]]
    incomplete: int = 0

    def __len__(self) -> int:
        return self.count

    def read(self, number: int) -> tuple[bytes, bytes]:
        """Read an image file and its class number."""
        image, label = self.pick(number)
        return _file_of(image), str(int(label)).encode()

    def key(self, number: int) -> str:
        """Name a sample within the source."""
        return str(number)

    def name(self, number: int) -> str:
        """Name a sample for a message."""
        return f"{self.label}:{number}"

    def digest(self) -> str:
        """Give a SHA-256, in hex, of the names of the parts."""
        return hashlib.sha256(f"{self.label} {self.count}".encode()).hexdigest()


def _file_of(image: Any) -> bytes:
    if not isinstance(image, Image.Image):
        return bytes(image)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)  # lossless
    return buffer.getvalue()


def open_torchvision(name: str, split: str, root: str) -> tuple[Source, list[str] | None]:
    """Open a torchvision data set by its class name, downloading it if it is not there.

    Raises:
        UserError: torchvision has none of that name or split, or it cannot be had.
    """
    from torchvision import datasets

    kind = getattr(datasets, name, None)
    if kind is None:
        raise UserError(f"torchvision has no data set {name!r}; see the list of torchvision.datasets")
    try:
        found = _construct(kind, root, split)
    except (RuntimeError, OSError, ValueError) as error:
        raise UserError(f"torchvision's {name}, {split}, cannot be had in {root}: {error}") from None
    classes = getattr(found, "classes", None)
    names = [one if isinstance(one, str) else one[0] for one in classes] if classes else None
    return PickedImages(f"{TORCHVISION}{name}:{split}", len(found), found.__getitem__), names


def _construct(kind: Any, root: str, split: str) -> Any:
    """Call a data set's constructor: some are told `split`, others `train`, `image_set` or `download`."""
    known = inspect.signature(kind).parameters
    arguments: dict[str, Any] = {"download": True} if "download" in known else {}
    if "split" in known:
        arguments["split"] = split
    elif "train" in known:
        arguments["train"] = split == "train"
    elif "image_set" in known:
        arguments["image_set"] = split
    return kind(root, **arguments)


def open_hugging_face(name: str, split: str) -> tuple[Source, list[str] | None]:
    """Open a data set of Hugging Face's hub, or a folder that `datasets` saved, by its name.

    Raises:
        UserError: `datasets` is not installed, or cannot give that name or split.
    """
    try:
        import datasets
    except ModuleNotFoundError:
        raise UserError(f"{HUGGING_FACE}{name} needs the library datasets; pip install datasets") from None
    try:
        loaded = (
            datasets.load_from_disk(name)[split] if exists(name) else datasets.load_dataset(name, split=split)
        )
    except Exception as error:  # noqa: BLE001 - the library raises its many parts' own kinds
        raise UserError(f"datasets cannot give {split} of {name}: {error}") from None
    image, label = (
        next((column for column in wanted if column in loaded.column_names), None)
        for wanted in (IMAGE_COLUMNS, LABEL_COLUMNS)
    )
    if image is None or label is None:
        raise UserError(f"{name} has columns {', '.join(loaded.column_names)}; it needs an image and a label")
    files = loaded.cast_column(image, datasets.Image(decode=False))
    names = getattr(loaded.features[label], "names", None)
    pick = _HuggingFacePick(files, image, label)
    return PickedImages(f"{HUGGING_FACE}{name}:{split}", len(files), pick), names


@dataclass(frozen=True)
class _HuggingFacePick:
    files: Any
    image: str
    label: str

    def __call__(self, number: int) -> tuple[bytes, int]:
        row = self.files[number]
        return row[self.image]["bytes"] or read_bytes(row[self.image]["path"]), row[self.label]
