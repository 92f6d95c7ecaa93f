"""From an image file to the square that the model sees: CLIP's crop and open_clip's."""

import io
import math

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.nn.functional import interpolate

AREA, RATIO = (0.9, 1.0), (3 / 4, 4 / 3)  # open_clip's RandomResizedCrop
TRIES = 10
END_OF_JPEG, TRAILER = b"\xff\xd9", 64  # some writers pad the end
REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
Pixels = npt.NDArray[np.uint8]


def random_square(data: bytes, side: int, crop_scale: float, generator: np.random.Generator) -> Pixels:
    """Decode an image, cut a random square and resize it (bicubic, antialiased).

    With `crop_scale` 1 this is CLIP's only augmentation: a random square crop from
    the resized image.

    Args:
        data: an image file.
        side: side of the result, in pixels.
        crop_scale: smallest side of the square, as a share of the shorter side.
        generator: gives the square's side and place.

    Returns:
        uint8, (side, side, 3).

    Raises:
        OSError, ValueError, SyntaxError, DecompressionBombError: not a readable image.
    """
    scale, across, down = generator.uniform(crop_scale, 1), generator.random(), generator.random()
    image = Image.open(io.BytesIO(data))
    square = scale * min(image.size)
    left, top = across * (image.width - square), down * (image.height - square)
    return _cut(data, image, side, (left, top, square, square))


def random_resized(data: bytes, side: int, generator: np.random.Generator) -> Pixels:
    """Decode an image and cut as open_clip's trainer does: 0.9 to 1 of the area, ratio 3/4 to 4/3.

    After torchvision's RandomResizedCrop: up to ten tries, then the largest centred
    cut of an allowed ratio. Arguments, result and errors are those of `random_square`.
    """
    image = Image.open(io.BytesIO(data))
    for _ in range(TRIES):
        area = image.width * image.height * generator.uniform(*AREA)
        ratio = math.exp(generator.uniform(*np.log(RATIO)))
        width, height = math.sqrt(area * ratio), math.sqrt(area / ratio)
        across, down = generator.random(), generator.random()
        if width <= image.width and height <= image.height:
            left, top = across * (image.width - width), down * (image.height - height)
            return _cut(data, image, side, (left, top, width, height))
    width = min(image.width, image.height * RATIO[1])
    height = min(image.height, image.width / RATIO[0])
    return _cut(data, image, side, ((image.width - width) / 2, (image.height - height) / 2, width, height))


def _cut(data: bytes, image: Image.Image, side: int, cut: tuple[float, float, float, float]) -> Pixels:
    """Resize a cut (left, top, width, height), at whole pixels of what is decoded."""
    left, top, width, height = cut
    pixels = _decoded(data, image, min(width, height) / side)
    scale = pixels.shape[1] / image.width
    first_row, first_column = round(top * scale), round(left * scale)
    last_row, last_column = round((top + height) * scale), round((left + width) * scale)
    inside = pixels[
        first_row : max(last_row, first_row + 1), first_column : max(last_column, first_column + 1)
    ]
    planes = torch.from_numpy(inside).permute(2, 0, 1)[None]
    resized = interpolate(
        planes, (side, side), mode="bicubic", antialias=True
    )  # uint8: a third of PIL's time
    return resized[0].permute(1, 2, 0).numpy()


def _decoded(data: bytes, image: Image.Image, shrink: float) -> Pixels:
    """Decode to uint8 RGB, (height, width, 3); a JPEG at 1/2, 1/4 or 1/8 if still `shrink` times as small.

    A whole JPEG is OpenCV's, at two thirds of PIL's time; one without its end mark is
    PIL's, which tells a truncated file from a whole one.
    """
    fraction = max(part for part in REDUCED if part <= max(1, shrink))
    if image.format == "JPEG" and image.mode in ("RGB", "L") and END_OF_JPEG in data[-TRAILER:]:
        pixels = cv2.imdecode(
            np.frombuffer(data, np.uint8), REDUCED[fraction] | cv2.IMREAD_IGNORE_ORIENTATION
        )
        if pixels is None:
            raise ValueError("OpenCV cannot decode this JPEG")
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
    return np.array(image.convert("RGB"))


def to_model(
    images: torch.Tensor, device: torch.device, normalisation: tuple[tuple[float, ...], tuple[float, ...]]
) -> torch.Tensor:
    """Move images to the device and normalise them.

    Args:
        images: uint8, (n, side, side, 3).
        device: where the model is.
        normalisation: mean and deviation by channel, on a scale of 0 to 1.

    Returns:
        float32, (n, 3, side, side), channels last in memory.
    """
    mean, deviation = (torch.tensor(values, device=device) * 255 for values in normalisation)
    floats = images.to(device, non_blocking=True).float()
    return ((floats - mean) / deviation).permute(0, 3, 1, 2)  # (n, side, side, 3) is channels last already
