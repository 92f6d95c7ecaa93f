"""The pixel work of `images`: how large, which way up, what lies behind, where it is cut.

Pixels depend on the versions of Pillow and OpenCV only. OpenCV chooses the code of
INTER_CUBIC and INTER_LANCZOS4 by the CPU, so shrinking is INTER_AREA and enlarging
is Pillow's LANCZOS, which is fixed-point arithmetic.
"""

import math
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
"""uint8 array of shape (height, width, 3), RGB."""

Size = tuple[int, int]
"""Width and height, in pixels."""

_ORIENTATION = 0x0112  # Exif tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_DRAFT = 1.5  # a JPEG is decoded at 1/2, 1/4 or 1/8 if that leaves this many times the target: 40 dB


def target_size(size: Size, image_size: int, resize_mode: str, *, only_if_bigger: bool) -> Size | None:
    """Give the size to resize to, before any crop or border; None to leave the image as it is.

    Args:
        size: of the image.
        image_size: target side, in pixels.
        resize_mode: one of img2dataset's words.
        only_if_bigger: leave an image whose decisive side is not above `image_size`.
    """
    if resize_mode == "no":
        return None
    side = min(size) if resize_mode in ("keep_ratio", "center_crop") else max(size)
    if only_if_bigger and side <= image_size:
        return None
    return max(1, round(size[0] * image_size / side)), max(1, round(size[1] * image_size / side))


def decode(image: Image.Image, target: Size | None) -> Image.Image:
    """Decode the first frame to RGB, upright, transparency on white.

    Args:
        image: opened, not loaded.
        target: what the image as it is stored will be shrunk to; JPEG may be decoded smaller.

    Raises:
        Exception: of any kind, on hostile bytes.
    """
    if target:
        image.draft(None, (math.ceil(target[0] * _DRAFT), math.ceil(target[1] * _DRAFT)))
    turn = _turn(image)
    upright = _on_white(image)
    return upright if turn is None else upright.transpose(turn)


def is_sideways(image: Image.Image) -> bool:
    """Tell whether an image's Exif orientation swaps width and height."""
    return _turn(image) in (
        Image.Transpose.TRANSPOSE,
        Image.Transpose.ROTATE_270,
        Image.Transpose.TRANSVERSE,
        Image.Transpose.ROTATE_90,
    )


def _turn(image: Image.Image) -> Image.Transpose | None:
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - broken Exif is common and harmless: the image stays as it lies
        return None


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "I" or image.mode.startswith("I;16"):  # 16 bits: the high byte
        high = np.clip(np.asarray(image) >> 8, 0, 255).astype(np.uint8)
        return Image.fromarray(high).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def resize(image: Image.Image, target: Size, *, shrink: bool) -> Pixels:
    """Resize an RGB image."""
    if shrink:
        return cast(Pixels, cv2.resize(np.asarray(image), target, interpolation=cv2.INTER_AREA))
    return np.asarray(image.resize(target, Image.Resampling.LANCZOS))


def crop_or_pad(pixels: Pixels, image_size: int, resize_mode: str) -> Pixels:
    """Make a resized image square, about its centre, if the mode asks for it."""
    height, width = pixels.shape[:2]
    if resize_mode == "center_crop":
        top, left = (height - image_size) // 2, (width - image_size) // 2
        return pixels[top : top + image_size, left : left + image_size]
    if resize_mode == "border":
        top, left = (image_size - height) // 2, (image_size - width) // 2
        canvas = np.full((image_size, image_size, 3), 255, np.uint8)
        canvas[top : top + height, left : left + width] = pixels
        return canvas
    return pixels
