"""Which candidates are worth keeping: each filter gives a reason to drop, or None."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from wit_builder.errors import UserError
from wit_builder.records import DropReason

Filter = Callable[[str, str], DropReason | None]
"""Takes an absolute image URL and its text."""

_FILE_NAME = re.compile(r"^\S+\.(jpe?g|png|gif|webp|bmp|tiff?|svg|ico)$", re.IGNORECASE)
_NOT_A_PHOTO = re.compile(r"\.(svgz?|ico|cur|swf|js|css|html?|php\d?)(\?|$)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class FilterOptions:
    """Limits of the text and URL filters."""

    min_chars: int = field(default=3, metadata={"help": "Shortest text, in characters."})
    max_chars: int = field(default=1000, metadata={"help": "Longest text, in characters."})
    min_letter_share: float = field(
        default=0.5, metadata={"help": "Smallest share of letters among the characters that are not spaces."}
    )
    no_filters: bool = field(default=False, metadata={"help": "Keep every pair that has a text and a URL."})

    def __post_init__(self) -> None:
        if not 0 <= self.min_letter_share <= 1:
            raise UserError(f"min_letter_share is {self.min_letter_share}; use a share from 0 to 1")
        if not 0 < self.min_chars <= self.max_chars:
            raise UserError(
                f"min_chars is {self.min_chars}, max_chars {self.max_chars}; use 0 < min_chars <= max_chars"
            )


def make_filters(options: FilterOptions) -> list[Filter]:
    """List the filters that the options ask for, cheapest first."""
    if options.no_filters:
        return []
    return [
        length_filter(options.min_chars, options.max_chars),
        file_name_filter,
        photo_url_filter,
        letter_filter(options.min_letter_share),
    ]


def first_reason(filters: Sequence[Filter], url: str, text: str) -> DropReason | None:
    """Give the reason of the first filter that drops the pair, or None."""
    for rule in filters:
        reason = rule(url, text)
        if reason:
            return reason
    return None


def length_filter(min_chars: int, max_chars: int) -> Filter:
    """Drop texts shorter or longer than so many characters."""

    def rule(_url: str, text: str) -> DropReason | None:
        if len(text) < min_chars:
            return DropReason.TEXT_TOO_SHORT
        return DropReason.TEXT_TOO_LONG if len(text) > max_chars else None

    return rule


def letter_filter(min_share: float) -> Filter:
    """Drop texts in which letters are a smaller share of the characters that are not spaces."""

    def rule(_url: str, text: str) -> DropReason | None:
        solid = "".join(text.split())
        letters = sum(map(str.isalpha, solid))
        return DropReason.TEXT_NOT_WORDS if letters < min_share * len(solid) or not letters else None

    return rule


def file_name_filter(_url: str, text: str) -> DropReason | None:
    """Drop a text that is only the name of an image file."""
    return DropReason.TEXT_IS_FILE_NAME if _FILE_NAME.match(text) else None


def photo_url_filter(url: str, _text: str) -> DropReason | None:
    """Drop URLs whose extension is no photo's."""
    return DropReason.NOT_A_PHOTO_URL if _NOT_A_PHOTO.search(url) else None
