"""Filters of image URLs that show no photo."""

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from wit_builder.filtering import Filter, Mask, to_mask, url_filter
from wit_builder.records import DropReason

EXTENSIONS = ("svg", "svgz", "ico", "cur", "swf", "js", "css", "html", "htm", "mp4", "webm", "pdf")
"""Of vector graphics, icons and what is no image. Programs (php, aspx) may well give photos."""

PATHS = (
    "/favicon",
    "/icons/",
    "/sprite",
    "/smilies/",
    "/smileys/",
    "/emoji/",
    "/emoticons/",
    "/captcha",
    "/spacer",
    "/placeholder",
    "/blank.",
    "/pixel.",
    "/1x1.",
    "/transparent.",
    "/loading.",
    "/loader.",
    "/ajax-loader",
    "/wp-includes/",
    "/math/render/",
    "shields.io/",
    "doubleclick.net/",
)
"""Parts of URLs of icons, counters, spacers and drawn formulas."""


def extension_filter(extensions: Sequence[str]) -> Filter:
    """Drop URLs whose path ends in one of some extensions."""
    names = "|".join(re.escape(name.lower().lstrip(".")) for name in extensions)
    return _search(rf"^[^?#]*\.(?:{names})(?:[?#].*)?$")


def path_filter(parts: Sequence[str]) -> Filter:
    """Drop URLs that contain one of some texts, whatever their capitals."""
    return _search("|".join(re.escape(part.lower()) for part in parts))


def _search(pattern: str) -> Filter:
    """Drop URLs, their ASCII letters made small, in which a pattern is found."""
    python = re.compile(pattern, re.ASCII | re.IGNORECASE)

    def drops_of(urls: pa.Array) -> Mask:
        return to_mask(pc.match_substring_regex(pc.ascii_lower(urls), pattern))

    return url_filter(DropReason.NOT_A_PHOTO_URL, lambda url: python.search(url) is not None, drops_of)
