"""A small image store for tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.images import jpeg
from tests.pairs import matched
from wit_builder import manifest, schemas, store
from wit_builder.images import ImageOptions, ProcessedImage, process_image
from wit_builder.manifest import sum_footers
from wit_builder.parts import PartSummary, list_parts

Urls = Callable[[int], str]
Pictures = Callable[[int], bytes]


def plain_url(number: int) -> str:
    return f"http://host/{number}.jpg"


def write_store(
    folder: Path,
    images: int,
    *,
    repeated: int = 0,
    failed: int = 0,
    urls: Urls = plain_url,
    pictures: Pictures = jpeg,
    part: int = 0,
) -> Path:
    """Write one part: distinct images, then repeats of the first ones, then failures."""
    pairs = matched((urls(n), [n % 5]) for n in range(images + repeated + failed)).to_pylist()
    name = f"part-000-{part:05d}"
    tars: list[str] = []
    rows = []
    with store.write_store_tar(str(folder), name, tars) as writer:
        for number, pair in enumerate(pairs):
            if number >= images + repeated:
                rows.append({**pair, "status": "failed_to_download", "error_message": "http 404"})
                continue
            image = process_image(pictures(number % images), ImageOptions(image_size=32))
            assert isinstance(image, ProcessedImage)
            offset, size = writer.append(image.data, "jpg")
            rows.append(
                {
                    **pair,
                    "selected_query_ids": pair["matched_query_ids"],
                    "status": "success",
                    "sha256": image.sha256,
                    "width": image.width,
                    "height": image.height,
                    "phash": image.phash,
                    "phash_quality": image.phash_quality,
                    "store_offset": offset,
                    "store_size": size,
                }
            )
    for row in rows:
        row["store_file"] = tars[0] if row["status"] == "success" else None
    table = pa.Table.from_pylist(rows, schemas.FETCHED_IMAGE)
    store.commit_index(str(folder), name, table, PartSummary(len(rows), len(rows)))
    return folder


def finish_fetch(folder: Path, **facts: Any) -> Path:
    """Commit the stage in whose `store` folder parts were written."""
    indexes = list_parts(str(folder / "store"))
    manifest.begin(str(folder), "fetch", {}, {})
    manifest.finish(str(folder), sum_footers(indexes), indexes, facts)
    return folder
