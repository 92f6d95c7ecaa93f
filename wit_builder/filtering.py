"""What a filter is: one reason to drop a pair, for one pair and for columns of pairs."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wit_builder.records import DropReason

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Filter:
    """Drops a pair of an absolute image URL and its text, or lets it pass."""

    reason: DropReason
    drops: Callable[[str, str], bool]
    """Takes a URL and a text."""
    drops_of: Callable[[pa.Array, pa.Array], Mask]
    """Takes n URLs and n texts, string arrays without nulls; the same answers, as bool of shape (n,)."""

    def __call__(self, url: str, text: str) -> DropReason | None:
        """Give the reason to drop a pair, or None."""
        return self.reason if self.drops(url, text) else None


def text_filter(
    reason: DropReason, drops: Callable[[str], bool], drops_of: Callable[[pa.Array], Mask]
) -> Filter:
    """Make a filter that looks at texts alone."""
    return Filter(reason, lambda _url, text: drops(text), lambda _urls, texts: drops_of(texts))


def url_filter(
    reason: DropReason, drops: Callable[[str], bool], drops_of: Callable[[pa.Array], Mask]
) -> Filter:
    """Make a filter that looks at URLs alone."""
    return Filter(reason, lambda url, _text: drops(url), lambda urls, _texts: drops_of(urls))


class Pattern:
    """A regular expression that matches whole texts, by Python and by Arrow (RE2) alike.

    It is written in what both read the same way: without `\\s`, `\\b`, look-around or back
    references. A small ASCII letter in it stands for the capital, too.
    """

    def __init__(self, pattern: str) -> None:
        self._python = re.compile(pattern, re.ASCII | re.IGNORECASE)
        self._arrow = rf"\A(?:{pattern})\z"

    def matches(self, text: str) -> bool:
        """Tell whether it is all of the text."""
        return self._python.fullmatch(text) is not None

    def matches_of(self, texts: pa.Array) -> Mask:
        """Tell of n texts which it is all of: bool of shape (n,)."""
        return to_mask(pc.match_substring_regex(pc.ascii_lower(texts), self._arrow))


def to_mask(booleans: pa.Array) -> Mask:
    """Give a boolean array without nulls to NumPy."""
    mask: Mask = booleans.to_numpy(zero_copy_only=False)
    return mask
