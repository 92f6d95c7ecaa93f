import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from wit_builder.resample import shrink


def by_pillow(pixels: np.ndarray, target: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize(target, Image.Resampling.BICUBIC))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_it_is_pillows_filter(data: st.DataObject) -> None:
    height, width = data.draw(st.tuples(st.integers(1, 70), st.integers(1, 70)))
    target = data.draw(st.tuples(st.integers(1, width), st.integers(1, height)))
    seed = data.draw(st.integers(0, 2**32))
    pixels = np.random.default_rng(seed).integers(70, 186, (height, width, 3), np.uint8)  # none is clipped
    difference = np.abs(shrink(pixels, target).astype(int) - by_pillow(pixels, target))
    assert difference.max() <= 2


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("value", [0, 77, 255])
def test_one_colour_stays_that_colour(channels: int, value: int) -> None:
    pixels = np.full((53, 31, channels), value, np.uint8)
    assert (shrink(pixels, (7, 13)) == value).all()


def test_pixels_that_may_not_be_written_are_read() -> None:
    pixels = np.zeros((9, 8, 3), np.uint8)
    pixels.flags.writeable = False
    assert shrink(pixels, (4, 3)).shape == (3, 4, 3)
