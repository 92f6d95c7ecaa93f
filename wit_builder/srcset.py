"""Which image of a srcset is the largest.

Grammar: HTML standard, section 4.8.4.2 (srcset attributes), "parse a srcset attribute".
"""

import re
from collections.abc import Iterable

_URL = re.compile(r"[\s,]*([^\s]+)")
_DESCRIPTORS = re.compile(r"\s*((?:[^,(]|\([^)]*\)?)*)")
_SIZE = re.compile(r"\+?(\d+w|\d*\.?\d+(?:[eE][+-]?\d+)?x)")


def candidates(srcset: str) -> list[tuple[str, float, bool]]:
    """List a srcset's images: address, descriptor's number, and whether it is a width in pixels.

    An image without a descriptor has density 1; one whose descriptors are not understood is left out.
    """
    images: list[tuple[str, float, bool]] = []
    at = 0
    while found := _URL.match(srcset, at):
        url, at = found[1], found.end()
        words: list[str] = []
        if url.endswith(","):
            url = url.rstrip(",")
        else:
            described = _DESCRIPTORS.match(srcset, at)
            if described:
                words, at = described[1].split(), described.end()
        size = _size(words)
        if size and url:
            images.append((url, *size))
    return images


def _size(words: list[str]) -> tuple[float, bool] | None:
    """Read descriptors; a height ("h") may stand beside a width and is passed over."""
    sizes = [word for word in words if not re.fullmatch(r"\d+h", word)]
    if not sizes:
        return (1.0, False) if not words else None
    found = _SIZE.fullmatch(sizes[0])
    if len(sizes) > 1 or not found:
        return None
    return float(found[1][:-1]), found[1].endswith("w")


def largest(srcsets: Iterable[str]) -> str | None:
    """Give the address of the largest image of some srcsets, or None.

    Widths count before densities, which do not tell a size; of equals the first. Images in
    the page itself (data:) are placeholders.
    """
    images = [image for srcset in srcsets for image in candidates(srcset)]
    real = [image for image in images if image[0][:5].lower() != "data:"]
    return max(real, key=lambda image: (image[2], image[1]))[0] if real else None
