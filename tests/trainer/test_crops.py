import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from tests.trainer.samples import jpeg
from trainer.crops import random_resized, random_square, to_model
from trainer.data import UNREADABLE


def encoded(pixels: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    pixels.save(buffer, kind, quality=95)
    return buffer.getvalue()


def ramp(width: int, height: int) -> Image.Image:
    """Red grows to the right, green downwards, from 0 to 250."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 250, width)
    pixels[..., 1] = np.linspace(0, 250, height)[:, None]
    return Image.fromarray(pixels)


def test_square_of_scale_1_is_the_whole_square_image() -> None:
    resized = Image.open(io.BytesIO(jpeg(2, 40, 40))).resize((32, 32), Image.Resampling.BICUBIC)
    square = random_square(jpeg(2, 40, 40), 32, 1.0, np.random.default_rng(0))
    assert np.abs(square.astype(int) - np.asarray(resized)).mean() < 0.5


def test_square_lies_inside_the_image() -> None:
    data = encoded(Image.new("RGB", (90, 30), "white"), "PNG")
    for seed in range(20):
        assert random_square(data, 16, 0.3, np.random.default_rng(seed)).min() == 255


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_resized_crop_keeps_nine_tenths_of_the_area(kind: str) -> None:
    data = encoded(ramp(400, 300), kind)
    for seed in range(20):
        pixels = random_resized(data, 32, np.random.default_rng(seed)).astype(float)
        width, height = ((pixels[..., c].max() - pixels[..., c].min()) / 250 * 32 / 31 for c in (0, 1))
        assert 0.86 < width * height < 1.04  # of the image; half a pixel's error at each side
        assert 0.9 * 3 / 4 < width * 400 / (height * 300) < 1.1 * 4 / 3


def test_resized_crop_of_a_strip_is_the_centre_of_an_allowed_ratio() -> None:
    pixels = random_resized(encoded(ramp(600, 30), "PNG"), 32, np.random.default_rng(0)).astype(float)
    assert math.isclose(pixels[..., 0].mean(), 125, abs_tol=2)
    assert math.isclose((pixels[..., 0].max() - pixels[..., 0].min()) / 250, 40 / 600, abs_tol=0.02)


def test_a_jpeg_decoded_small_gives_the_same_crop() -> None:
    image = ramp(800, 600)
    small = random_square(encoded(image, "JPEG"), 32, 0.5, np.random.default_rng(4)).astype(float)
    whole = random_square(encoded(image, "PNG"), 32, 0.5, np.random.default_rng(4)).astype(float)
    assert np.abs(small - whole).max() < 8


def test_a_truncated_jpeg_is_broken() -> None:
    data = encoded(ramp(200, 150), "JPEG")
    for cut in (100, len(data) // 2, len(data) - 2):
        with pytest.raises(UNREADABLE):
            random_square(data[:cut], 32, 0.5, np.random.default_rng(0))


def test_a_turned_jpeg_is_read_as_it_is_stored() -> None:
    # as open_clip does, whose evaluation ignores the tag
    buffer, tag = io.BytesIO(), Image.Exif()
    tag[0x0112] = 6
    ramp(64, 64).save(buffer, "JPEG", exif=tag)
    pixels = random_square(buffer.getvalue(), 32, 1.0, np.random.default_rng(0))
    assert pixels[16, 28, 0] > 200 > pixels[28, 16, 0]


def test_grey_and_cmyk_jpegs_are_coloured() -> None:
    for mode in ("L", "CMYK"):
        data = encoded(Image.new("RGB", (50, 40), "white").convert(mode), "JPEG")
        assert random_square(data, 16, 0.5, np.random.default_rng(0)).min() > 250


def test_normalised_pixels_are_channels_last() -> None:
    images = torch.full((2, 4, 4, 3), 255, dtype=torch.uint8)
    found = to_model(images, torch.device("cpu"), ((0.5, 0.25, 0.0), (0.5, 0.25, 1.0)))
    assert found.shape == (2, 3, 4, 4)
    assert found[0, :, 0, 0].tolist() == [1.0, 3.0, 1.0]
    assert found.is_contiguous(memory_format=torch.channels_last)
