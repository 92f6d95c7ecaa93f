"""Real, small images for tests."""

import io

import numpy as np
from PIL import Image


def jpeg(seed: int, width: int = 48, height: int = 40) -> bytes:
    """Make a JPEG of coloured blocks: every seed another picture."""
    blocks = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), np.uint8)
    image = Image.fromarray(blocks).resize((width, height), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
