"""Images resized per second: ours against img2dataset's Resizer, both to 256 px JPEG."""

import io

import cv2
import numpy as np
from img2dataset.resizer import Resizer
from PIL import Image

from tests.bench.table import Row, compare, rate, report
from wit_builder.images import ImageOptions, process_image

IMAGES = 12


def photo_like(seed: int, width: int, height: int) -> Image.Image:
    """Make smooth colour with fine grain, which compresses like a photo."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 255, (12, 16, 3), np.uint8)).resize((width, height))
    grain = random.normal(0, 6, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8))


def measure(kind: str, width: int, height: int) -> Row:
    """Time one format and size."""
    files = []
    for seed in range(IMAGES):
        buffer = io.BytesIO()
        photo_like(seed, width, height).save(buffer, kind)
        files.append(buffer.getvalue())
    options = ImageOptions()
    resizer = Resizer(image_size=256, resize_mode="keep_ratio", resize_only_if_bigger=True)

    def ours() -> None:
        for data in files:
            process_image(data, options)

    def peer() -> None:
        for data in files:
            resizer(io.BytesIO(data))

    name = f"{kind} {width * height / 1e6:.1f} MP, ours with SHA-256 and PDQ"
    return compare(name, "images/s", rate(ours, IMAGES), rate(peer, IMAGES), "img2dataset Resizer")


def main() -> None:
    """Print the table."""
    cv2.setNumThreads(1)
    rows = [measure("JPEG", 1280, 960), measure("JPEG", 2304, 1728), measure("PNG", 1280, 960)]
    report("decode, resize to 256, encode", rows)


if __name__ == "__main__":
    main()
