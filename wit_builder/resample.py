"""Shrink images by a bicubic filter in fixed-point arithmetic.

The filter is Pillow's (Keys 1981, a = -1/2, widened by the factor of shrinking), so the result is
within a step or two of Pillow's, in a quarter of its time; being integers, it does not depend on the CPU.
"""

from functools import lru_cache
from typing import NamedTuple, cast

import cv2
import numpy as np
import numpy.typing as npt

from wit_builder.compiled import compiled

Pixels = npt.NDArray[np.uint8]

_A = -0.5
_SUPPORT = 2.0
_BITS = 21  # of a weight; with a byte, and what the filter takes below zero, it fits into 32
_HALF = 1 << (_BITS - 1)


class _Taps(NamedTuple):
    """For each of n outputs the inputs it is made of."""

    first: npt.NDArray[np.int64]
    """Number of the first input, shape (n,)."""
    weights: npt.NDArray[np.int32]
    """Of the inputs from there on, in 2^-21, shape (n, taps)."""


def shrink(pixels: Pixels, target: tuple[int, int]) -> Pixels:
    """Shrink an image.

    Args:
        pixels: uint8 of shape (height, width, channels).
        target: width and height, neither above that of the image.

    Returns:
        uint8 of shape (target height, target width, channels).
    """
    return _shrink_rows(_shrink_rows(pixels, target[1]), target[0])


def _shrink_rows(pixels: Pixels, count: int) -> Pixels:
    """Make fewer rows; rows and columns of the result are exchanged."""
    height, width, channels = pixels.shape
    out = np.empty((count, width * channels), np.uint8)
    taps = _taps(height, count)
    _weigh(np.ascontiguousarray(pixels).reshape(height, -1), taps.first, taps.weights, out)
    return cast(Pixels, cv2.transpose(out.reshape(count, width, channels)))


@lru_cache(maxsize=256)
def _taps(size: int, count: int) -> _Taps:
    scale = size / count
    support = _SUPPORT * scale
    number = min(size, 2 * int(np.ceil(support)) + 1)
    centre = (np.arange(count) + 0.5) * scale
    begin = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    end = np.minimum((centre + support + 0.5).astype(np.int64), size)
    first = np.minimum(begin, size - number)
    inputs = first[:, None] + np.arange(number)
    weights = _bicubic(np.abs((inputs + 0.5 - centre[:, None]) / scale))
    weights *= (inputs >= begin[:, None]) & (inputs < end[:, None])
    weights /= weights.sum(axis=1, keepdims=True)
    return _Taps(first, np.round(weights * (1 << _BITS)).astype(np.int32))


def _bicubic(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    near = ((_A + 2) * x - (_A + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * _A
    return np.where(x < 1, near, np.where(x < _SUPPORT, far, 0.0))


@compiled("void(Array(uint8, 2, 'C', readonly=True), int64[::1], int32[:, ::1], uint8[:, ::1])")
def _weigh(rows: Pixels, first: npt.NDArray[np.int64], weights: npt.NDArray[np.int32], out: Pixels) -> None:
    width = rows.shape[1]
    total = np.empty(width, np.int32)
    for number in range(out.shape[0]):
        for at in range(width):
            total[at] = _HALF
        for tap in range(weights.shape[1]):
            weight = weights[number, tap]
            if weight != 0:
                row = rows[first[number] + tap]
                for at in range(width):
                    total[at] += weight * np.int32(row[at])
        made = out[number]
        for at in range(width):
            made[at] = np.uint8(min(max(total[at] >> _BITS, 0), 255))
