"""Turn the bytes of an image from the web into a small one, or say why not.

Pillow reads the header: a short list of formats, sizes checked before any pixel is made.
`decode` makes pixels, `pixels` shrinks them, OpenCV encodes.
"""

import hashlib
import io
import os
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
import pdqhash
from PIL import Image

from wit_builder import pixels
from wit_builder.decode import SIDEWAYS, decode, exif_text, is_want_of_memory, read_exif, to_srgb, turn_of
from wit_builder.errors import UserError
from wit_builder.pixels import Pixels, Size
from wit_builder.svg import looks_like_svg, rasterize

Image.MAX_IMAGE_PIXELS = None  # `ImageOptions.max_pixels` is the limit, checked before any pixel is made

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
_MODES = ("no", "keep_ratio", "keep_ratio_largest", "center_crop", "border")
_ENCODERS = {
    "jpg": (cv2.IMWRITE_JPEG_QUALITY, 100),
    "png": (cv2.IMWRITE_PNG_COMPRESSION, 9),
    "webp": (cv2.IMWRITE_WEBP_QUALITY, 100),
}
_BACKENDS = ("opencv", "img2dataset")
_OTHER_FORMATS = (  # (byte position, magic) of what is an image, but not for us
    (4, b"ftypavif"),
    (4, b"ftyphei"),
    (4, b"ftypmif1"),
    (0, b"\x00\x00\x01\x00"),  # ico
    (0, b"\xff\x0a"),  # jxl
    (4, b"JXL "),
    (4, b"jP  "),  # jp2
    (0, b"8BPS"),  # psd
    (0, b"<svg"),
    (0, b"<?xml"),
)


class ImageError(StrEnum):
    """Why bytes did not become an image. Closed set."""

    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_SMALL = "too_small"
    ASPECT_RATIO = "aspect_ratio"
    IMAGE_AREA = "image_area"
    DECODE_FAILED = "decode_failed"
    DECODE_MEMORY = "decode_memory"
    DECODE_TIMEOUT = "decode_timeout"
    DECODER_CRASHED = "decoder_crashed"
    ENCODE_FAILED = "encode_failed"


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """What a stored image looks like, in img2dataset's words. Checked when made."""

    image_size: int = field(default=256, metadata={"help": "target side, in pixels"})
    resize_mode: str = field(
        default="keep_ratio",
        metadata={
            "help": "no, keep_ratio (shorter side), keep_ratio_largest (longer side), center_crop, border"
        },
    )
    resize_only_if_bigger: bool = field(default=True, metadata={"help": "leave smaller images as they are"})
    encode_format: str = field(default="jpg", metadata={"help": "jpg, png or webp"})
    encode_quality: int = field(default=95, metadata={"help": "jpg, webp: 0-100; png: compression, 0-9"})
    min_image_size: int = field(default=0, metadata={"help": "least shorter side, in pixels"})
    max_aspect_ratio: float | None = field(
        default=None, metadata={"help": "greatest longer side / shorter side"}
    )
    max_image_area: float | None = field(
        default=None, metadata={"help": "greatest width x height that is wanted"}
    )
    max_pixels: int = field(
        default=300_000_000, metadata={"help": "greatest width x height that is decoded at all"}
    )
    keep_exif: bool = field(default=False, metadata={"help": "keep Exif tags in the index, without places"})
    rasterize_svg: bool = field(
        default=False, metadata={"help": "draw SVG that refers to nothing outside itself, without text"}
    )
    backend: str = field(
        default="opencv", metadata={"help": "opencv, or img2dataset: its own Resizer and its pixels"}
    )

    def __post_init__(self) -> None:
        for name, valid in (
            ("resize_mode", _MODES),
            ("encode_format", tuple(_ENCODERS)),
            ("backend", _BACKENDS),
        ):
            if getattr(self, name) not in valid:
                raise UserError(f"{name} is {getattr(self, name)!r}; choose one of {', '.join(valid)}")
        best = _ENCODERS[self.encode_format][1]
        if not 0 <= self.encode_quality <= best:
            raise UserError(
                f"encode_quality is {self.encode_quality}; {self.encode_format} takes 0 to {best}"
            )
        for name in ("image_size", "max_aspect_ratio", "max_image_area", "max_pixels"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name} is {getattr(self, name)}; give 1 or more")


@dataclass(frozen=True, slots=True)
class ProcessedImage:
    """An encoded image and what is known of it."""

    data: bytes
    width: int
    height: int
    original_width: int
    original_height: int
    sha256: str
    """Of the original bytes, in hex."""
    phash: str
    """PDQ of the resized image, 64 hex digits."""
    phash_quality: int
    """0 (flat) to 100."""
    exif: str | None = None
    """JSON object; None unless asked for."""


@dataclass(frozen=True, slots=True)
class ImageFailure:
    """Why there is no image."""

    error: ImageError
    sha256: str
    """Of the original bytes, in hex."""


class _NoImageError(Exception):
    """Carries the reason out of the helpers; never leaves this module."""

    def __init__(self, error: ImageError) -> None:
        super().__init__(error)
        self.error = error


def process_image(data: bytes, options: ImageOptions) -> ProcessedImage | ImageFailure:
    """Decode, resize and encode one image; any bytes at all give one or the other.

    Args:
        data: a whole file of any format.
        options: what the result looks like.

    Raises:
        UserError: the backend is img2dataset and it cannot be loaded.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    process = _by_img2dataset if options.backend == "img2dataset" else _by_opencv
    try:
        if options.rasterize_svg and looks_like_svg(data):
            data = _drawn(data)
        image = _open(data, options)
        done = process(data, image, options)
    except _NoImageError as failure:
        return ImageFailure(failure.error, sha256)
    except MemoryError:
        return ImageFailure(ImageError.DECODE_MEMORY, sha256)
    bits, quality = pdqhash.compute(np.ascontiguousarray(done.pixels))
    return ProcessedImage(
        data=done.data,
        width=done.pixels.shape[1],
        height=done.pixels.shape[0],
        original_width=done.original_size[0],
        original_height=done.original_size[1],
        exif=done.exif,
        sha256=sha256,
        phash=np.packbits(bits).tobytes().hex(),
        phash_quality=int(quality),
    )


def _drawn(data: bytes) -> bytes:
    try:
        return rasterize(data)
    except ValueError:
        raise _NoImageError(ImageError.UNSUPPORTED_FORMAT) from None
    except Exception:  # noqa: BLE001 - as in _open
        raise _NoImageError(ImageError.DECODE_FAILED) from None


def _open(data: bytes, options: ImageOptions) -> Image.Image:
    """Read the header and judge it; no pixel is decoded."""
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except MemoryError:  # Pillow makes the canvas of a WebP at once
        raise
    except Exception:  # noqa: BLE001 - Pillow's parsers raise anything at all on hostile bytes
        known = any(data[at : at + len(magic)] == magic for at, magic in _OTHER_FORMATS)
        raise _NoImageError(ImageError.UNSUPPORTED_FORMAT if known else ImageError.NOT_AN_IMAGE) from None
    shorter, longer = sorted(image.size)
    if shorter < 1:
        raise _NoImageError(ImageError.NOT_AN_IMAGE)
    if shorter * longer > options.max_pixels:
        raise _NoImageError(ImageError.TOO_MANY_PIXELS)
    if shorter < options.min_image_size:
        raise _NoImageError(ImageError.TOO_SMALL)
    if options.max_aspect_ratio is not None and longer / shorter > options.max_aspect_ratio:
        raise _NoImageError(ImageError.ASPECT_RATIO)
    if options.max_image_area is not None and shorter * longer > options.max_image_area:
        raise _NoImageError(ImageError.IMAGE_AREA)
    return image


class _Processed(NamedTuple):
    data: bytes
    pixels: Pixels
    original_size: Size
    """Width and height, upright."""
    exif: str | None = None


def _by_opencv(data: bytes, image: Image.Image, options: ImageOptions) -> _Processed:
    if image.mode == "F":
        raise _NoImageError(ImageError.UNSUPPORTED_FORMAT)
    full_size = image.size  # decoding may make it less
    target = _target(full_size, options)
    exif = read_exif(image)
    try:
        result = decode(image, data, target)
        if target is not None:
            result = pixels.resize(result, target)
        result = to_srgb(pixels.on_white(result), image.info.get("icc_profile"))
    except Exception as error:  # noqa: BLE001 - as in _open
        short = is_want_of_memory(error)
        raise _NoImageError(ImageError.DECODE_MEMORY if short else ImageError.DECODE_FAILED) from None
    turn = turn_of(exif)
    if turn is not None:
        result = np.asarray(Image.fromarray(result).transpose(turn))
    if target is not None:
        result = pixels.crop_or_pad(result, options.image_size, options.resize_mode)
    size = full_size[::-1] if turn in SIDEWAYS else full_size
    return _Processed(_encode(result, options), result, size, exif_text(exif) if options.keep_exif else None)


def _target(size: Size, options: ImageOptions) -> Size | None:
    target = pixels.target_size(
        size, options.image_size, options.resize_mode, only_if_bigger=options.resize_only_if_bigger
    )
    if target and target[0] * target[1] > max(options.max_pixels, size[0] * size[1]):
        raise _NoImageError(ImageError.ASPECT_RATIO)  # a line of pixels, enlarged
    return target


def _encode(image: Pixels, options: ImageOptions) -> bytes:
    parameter, _ = _ENCODERS[options.encode_format]
    try:
        done, encoded = cv2.imencode(
            f".{options.encode_format}",
            cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
            [parameter, options.encode_quality],
        )
    except cv2.error:  # a side over the format's limit
        done = False
    if not done:
        raise _NoImageError(ImageError.ENCODE_FAILED)
    return bytes(encoded)


@lru_cache(maxsize=4)
def _resizer(options: ImageOptions) -> Any:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask a package index on import
    try:
        from img2dataset.resizer import Resizer
    except ImportError as error:
        raise UserError(f"backend img2dataset cannot be loaded ({error}); use backend opencv") from None
    return Resizer(
        image_size=options.image_size,
        resize_mode=options.resize_mode,
        resize_only_if_bigger=options.resize_only_if_bigger,
        encode_quality=options.encode_quality,
        encode_format=options.encode_format,
    )


def _by_img2dataset(data: bytes, image: Image.Image, options: ImageOptions) -> _Processed:
    _target(image.size, options)  # refuses what would be enlarged without bound
    encoded, _, _, width, height, error = _resizer(options)(io.BytesIO(data))
    if error is not None:
        raise _NoImageError(ImageError.DECODE_FAILED)
    decoded = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    resized = cast(Pixels, cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))
    exif = exif_text(read_exif(image)) if options.keep_exif else None
    return _Processed(encoded, resized, (width, height), exif)
