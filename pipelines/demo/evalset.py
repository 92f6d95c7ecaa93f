"""A zero-shot task of the held-out pictures: their class is the top folder of their URL.

Written in CLIP_benchmark's layout: tars of {key}.jpg and {key}.cls, class names, templates.
"""

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from wit_builder import storage
from wit_builder.check import list_shards
from wit_builder.parts import read_table
from wit_builder.records import Status
from wit_builder.tar import TarWriter

TEMPLATES = ("{c}", "a picture of {c}.", "clip art, {c}", "a drawing of {c}.", "a stamp of {c}.")
_NO_CLASS = ("unsorted", "special")
"""Folders whose name says nothing of their pictures."""


def top_folder(url: str) -> str | None:
    """Name the class of a gallery's picture: /images/animals/birds/crow.png is "animals"."""
    parts = unquote(urlsplit(url).path).split("/")
    named = len(parts) > 3 and parts[1] == "images" and parts[2] not in _NO_CLASS
    return parts[2] if named else None


def write_zeroshot_task(holdout: Path, output: Path) -> dict[str, int]:
    """Write the task from a folder of held-out shards; give the pictures per class."""
    samples = [(name, image) for url, image in _pictures(holdout) if (name := top_folder(url))]
    classes = sorted({name for name, _ in samples})
    with storage.write_file(str(output / "0.tar")) as handle:
        tar = TarWriter(handle)
        for number, (name, image) in enumerate(samples):
            tar.add(f"{number:06d}.jpg", image)
            tar.add(f"{number:06d}.cls", str(classes.index(name)).encode())
        tar.close()
    _write_lines(output / "classnames.txt", (name.replace("_", " ") for name in classes))
    _write_lines(output / "zeroshot_classification_templates.txt", TEMPLATES)
    return {name: sum(found == name for found, _ in samples) for name in classes}


def _pictures(holdout: Path) -> Iterator[tuple[str, bytes]]:
    """Yield URL and JPEG of every held-out sample, in the order of the shards."""
    for path in list_shards(str(holdout)):
        rows = read_table(path.replace(".tar", ".parquet"), ["key", "url", "status"]).to_pylist()
        with tarfile.open(path) as archive:
            for row in rows:
                if row["status"] == Status.SUCCESS:
                    member = archive.extractfile(f"{row['key']}.jpg")
                    yield row["url"], member.read() if member else b""


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    storage.write_bytes(str(path), "".join(f"{line}\n" for line in lines).encode())
