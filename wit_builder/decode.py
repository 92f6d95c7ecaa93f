"""From the bytes of an image file to an array of pixels in sRGB.

Pillow reads every header and decodes most formats. PNG, and whatever is too large to be
held whole, goes through libvips, which decodes row by row and shrinks as it goes: a PNG
of 231 megapixels takes a hundred megabytes.
"""

import io
import json
import logging
import math
import os
from contextlib import suppress
from functools import lru_cache
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import ExifTags, Image, ImageCms

from wit_builder.pixels import Pixels, Size

os.environ.setdefault("VIPS_CONCURRENCY", "1")  # libvips reads them once, when it is loaded
os.environ.setdefault("VIPS_NOVECTOR", "1")  # pixels must not depend on the CPU
import pyvips

pyvips.cache_set_max(0)
logging.getLogger("pyvips").setLevel(logging.ERROR)  # it warns of every broken file

LARGE = 16_000_000
"""Pixels from which on a file is shrunk while it is read, where its format allows it."""

_MARGIN = 1.5  # decoding may shrink by whole factors if that leaves this many times the target: 40 dB
_ORIENTATION = 0x0112  # Exif tag
_MAX_EXIF = 8_192  # characters kept
_UNTOLD_EXIF = {"MakerNote", "UserComment", "PrintImageMatching", "ExifOffset", "GPSInfo"}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)
"""Turns that swap width and height."""

_SRGB = ImageCms.createProfile("sRGB")


def decode(image: Image.Image, data: bytes, target: Size | None) -> Pixels:
    """Decode the first frame as it lies in the file.

    Args:
        image: the file, opened by Pillow, not loaded.
        data: the whole file.
        target: what the image as it lies will be shrunk to; it may be decoded smaller.

    Returns:
        uint8 of shape (height, width, 3), RGB, or (height, width, 4), RGBA with colours
        multiplied by alpha. An RGB profile is not applied yet: see `to_srgb`.

    Raises:
        Exception: of any kind, on hostile bytes.
    """
    large = image.width * image.height > LARGE
    if image.format == "PNG" or (large and image.format in ("WEBP", "TIFF")):
        return _by_vips(data, image, target if large else None)
    if image.format == "WEBP" and image.mode == "RGB" and getattr(image, "n_frames", 1) == 1:
        return _by_opencv(data)  # Pillow decodes any WebP as an animation with alpha
    if target:
        image.draft(None, (math.ceil(target[0] * _MARGIN), math.ceil(target[1] * _MARGIN)))
    if image.format == "JPEG" and image.mode in ("RGB", "L"):
        with suppress(ValueError):  # anything odd about the file: Pillow judges it
            return _by_libjpeg(data, image.size)
    return _by_pillow(image)


def _by_libjpeg(data: bytes, size: Size) -> Pixels:
    """Decode a JPEG at a half, a quarter or an eighth, as Pillow's draft chose, in less time than Pillow."""
    width, height = size
    pixels = simplejpeg.decode_jpeg(data, "RGB", min_width=width, min_height=height, strict=True)
    if pixels.shape[:2] != (height, width):
        raise ValueError("decoded to another size")
    return cast(Pixels, pixels)


def _by_vips(data: bytes, image: Image.Image, target: Size | None) -> Pixels:
    """Decode by rows; if a target is given, to its size."""
    load = getattr(pyvips.Image, f"{str(image.format).lower()}load_buffer")
    rows = load(data, access="sequential", fail_on="truncated")
    if rows.format == "ushort":
        rows = rows >> 8
    if rows.format != "uchar":
        rows = rows.cast("uchar")
    factor = int(min(rows.width / target[0], rows.height / target[1]) / _MARGIN) if target else 1
    if target and factor > 1:
        if rows.hasalpha():
            rows = rows.flatten(background=[255])
        size, rows = (rows.width / factor, rows.height / factor), rows.shrink(factor, factor, ceil=True)
        shrunk = Image.fromarray(rows.colourspace("srgb").numpy())
        return np.asarray(shrunk.resize(target, Image.Resampling.BOX, box=(0, 0, *size)))
    pixels: npt.NDArray[np.uint8] = rows.numpy().reshape(rows.height, rows.width, rows.bands)
    if rows.bands == 1:
        return cast(Pixels, cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB))
    if rows.bands == 2:
        return _multiplied(np.ascontiguousarray(pixels[:, :, [0, 0, 0, 1]]))
    return _multiplied(pixels) if rows.bands == 4 else pixels


def _by_opencv(data: bytes) -> Pixels:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise ValueError("OpenCV cannot read it")
    return cast(Pixels, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))


def _by_pillow(image: Image.Image) -> Pixels:
    if image.mode == "I" or image.mode.startswith("I;16"):  # 16 bits: the high byte
        high = np.clip(np.asarray(image) >> 8, 0, 255).astype(np.uint8)
        return cast(Pixels, cv2.cvtColor(high, cv2.COLOR_GRAY2RGB))
    if image.has_transparency_data:
        return _multiplied(np.asarray(image.convert("RGBA")))
    transform = _transform(image.info.get("icc_profile"), image.mode)
    if transform is not None and image.mode in ("CMYK", "L"):
        return np.asarray(ImageCms.applyTransform(image, transform))
    return np.asarray(image.convert("RGB"))


def _multiplied(rgba: Pixels) -> Pixels:
    return cast(Pixels, cv2.cvtColor(rgba, cv2.COLOR_RGBA2mRGBA))


def is_want_of_memory(error: Exception) -> bool:
    """Tell a file that needs more memory than there is from a broken one."""
    if isinstance(error, cv2.error):
        return bool(error.code == cv2.Error.StsNoMem)
    return isinstance(error, MemoryError) or "out of memory" in str(error)


def to_srgb(pixels: Pixels, profile: bytes | None) -> Pixels:
    """Apply an RGB profile, if the file has a sound one that is not sRGB itself.

    Args:
        pixels: RGB; few of them: this is done when the image has been shrunk.
        profile: an ICC profile.
    """
    transform = _transform(profile, "RGB")
    if transform is None:
        return pixels
    return np.asarray(ImageCms.applyTransform(Image.fromarray(pixels), transform))


@lru_cache(maxsize=32)
def _transform(profile: bytes | None, mode: str) -> Any:
    """Make the transform to sRGB; None without a sound profile of these channels."""
    if not profile:
        return None
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = {"RGB": "RGB ", "CMYK": "CMYK", "L": "GRAY"}.get(mode)
        if opened.profile.xcolor_space != space or "sRGB" in ImageCms.getProfileDescription(opened):
            return None
        return ImageCms.buildTransform(opened, _SRGB, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # a broken profile says nothing
        return None


def read_exif(image: Image.Image) -> Image.Exif:
    """Read what Exif stands before the pixels; empty if it is broken, which is common and harmless."""
    exif = Image.Exif()
    try:
        if image.format == "TIFF":
            return image.getexif()
        if isinstance(image.info.get("exif"), bytes):
            exif.load(image.info["exif"])
            exif.get(_ORIENTATION)
    except Exception:  # noqa: BLE001 - Pillow's parsers raise anything at all on hostile bytes
        return Image.Exif()
    return exif


def turn_of(exif: Image.Exif) -> Image.Transpose | None:
    """Give the turn that sets an image upright; None if it needs none."""
    try:
        return _TURNS.get(exif.get(_ORIENTATION, 1))
    except TypeError:  # a list of orientations
        return None


def exif_text(exif: Image.Exif) -> str | None:
    """Write Exif down as a JSON object of texts by tag name, without places and makers' notes.

    None if there is none; tags that do not fit into 8,192 characters are left out.
    """
    told: dict[str, str] = {}
    room = _MAX_EXIF
    try:
        tags = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    except Exception:  # noqa: BLE001 - as in read_exif
        return None
    for tag, value in sorted(tags.items()):
        name = ExifTags.TAGS.get(tag)
        text = "" if isinstance(value, bytes) else str(value).replace("\0", "").strip()
        cost = len(name or "") + len(text) + 8
        if name and name not in _UNTOLD_EXIF and text and cost <= room:
            told[name] = text
            room -= cost
    return json.dumps(told) if told else None
