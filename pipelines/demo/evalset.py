"""A zero-shot task of the held-out pictures: their class is the top folder of their URL.

Written in CLIP_benchmark's layout: tars of {key}.jpg and {key}.cls, class names, templates.
"""

import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from wit_builder import storage
from wit_builder.parts import read_table
from wit_builder.records import Status
from wit_builder.tar import TarWriter

TEMPLATES = ("{c}", "a {c}", "a picture of a {c}", "clip art of a {c}")
MIN_TRAINING_PICTURES = 50
"""A folder is a class if at least so many training pictures come from it."""

CLASS_NAMES = {
    "animals": "animal",
    "plants": "plant",
    "shapes": "shape",
    "signs_and_symbols": "sign",
    "symbols": "symbol",
    "tools": "tool",
    "vehicles": "vehicle",
}
"""Singular, as captions say it; a folder that is not here is called by its own name."""

_NO_CLASS = ("unsorted", "special")
"""Folders whose name says nothing of their pictures."""


def top_folder(url: str) -> str | None:
    """Name the class of a gallery's picture: /images/animals/birds/crow.png is "animals"."""
    parts = unquote(urlsplit(url).path).split("/")
    named = len(parts) > 3 and parts[1] == "images" and parts[2] not in _NO_CLASS
    return parts[2] if named else None


def write_zeroshot_task(dataset: Path, output: Path) -> dict[str, int]:
    """Write the task from a dataset's held-out shards; give the pictures per class.

    Args:
        dataset: folder of shards; which folders are classes is decided by its training shards.
        output: folder of the task.
    """
    training = Counter(top_folder(row["url"]) for path in _sidecars(dataset) for row in _successes(path))
    classes = sorted(name for name, count in training.items() if name and count >= MIN_TRAINING_PICTURES)
    pictures = Counter[str]()
    with storage.write_file(str(output / "0.tar")) as handle:
        tar = TarWriter(handle)
        for number, (name, image) in enumerate(_pictures(dataset / "holdout", classes)):
            tar.add(f"{number:06d}.jpg", image)
            tar.add(f"{number:06d}.cls", str(classes.index(name)).encode())
            pictures[name] += 1
        tar.close()
    _write_lines(output / "classnames.txt", (CLASS_NAMES.get(name, name) for name in classes))
    _write_lines(output / "zeroshot_classification_templates.txt", TEMPLATES)
    return dict(pictures)


def _sidecars(folder: Path) -> list[str]:
    return storage.list_dir(str(folder), ".parquet")


def _successes(sidecar: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = read_table(sidecar, ["key", "url", "status"]).to_pylist()
    return [row for row in rows if row["status"] == Status.SUCCESS]


def _pictures(holdout: Path, classes: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield class and JPEG of the held-out samples of some classes, in the order of the shards."""
    for sidecar in _sidecars(holdout):
        with tarfile.open(sidecar.replace(".parquet", ".tar")) as archive:
            for row in _successes(sidecar):
                name = top_folder(row["url"])
                member = archive.extractfile(f"{row['key']}.jpg") if name in classes else None
                if name and member:
                    yield name, member.read()


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    storage.write_bytes(str(path), "".join(f"{line}\n" for line in lines).encode())
