"""What a site says about the use of its images: robots tags and TDM reservation.

Sources: Google's robots meta tag specification, DeviantArt's and img2dataset's
noai / noimageai, W3C TDM Reservation Protocol (final report, 2024).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from wit_builder.errors import UserError

GROUNDS = ("page", "robots.txt", "X-Robots-Tag", "TDM")
"""Where a site may say no: the page that shows the image, robots.txt, the image's own head,
and the TDM Reservation Protocol."""

REFUSALS = frozenset({"noai", "noimageai", "noindex", "noimageindex", "none"})
"""Robots directives that forbid use of an image; `none` is noindex and nofollow."""

_VALUED = ("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview")


@dataclass(frozen=True, kw_only=True)
class RightsOptions:
    """Which refusals are honoured. Checked when made."""

    honour: tuple[str, ...] = field(
        default=GROUNDS,
        metadata={"help": "grounds that are honoured; one left out is only written down"},
    )
    refusing_directives: tuple[str, ...] = field(
        default=tuple(sorted(REFUSALS)), metadata={"help": "X-Robots-Tag directives that refuse"}
    )

    def __post_init__(self) -> None:
        for ground in self.honour:
            if ground not in GROUNDS:
                raise UserError(f"honour is {ground!r}; choose of {', '.join(GROUNDS)}")
        for directive in self.refusing_directives:
            if not directive.isascii() or not directive.islower():
                raise UserError(f"refusing_directives has {directive!r}; write a directive in small letters")


def refusal_in_robots_tags(
    values: Iterable[str], agent: str, refusals: Collection[str] = REFUSALS
) -> str | None:
    """Find a refusal in X-Robots-Tag headers or robots meta tags.

    A header may name one crawler ("googlebot: noindex"); such a rule counts
    only if it names ours. Case does not matter.

    Args:
        values: the header's or the tag's values.
        agent: product token of our user agent, such as "wit-builder".
        refusals: directives that refuse, in small letters.

    Returns:
        The directive that refuses, or None.
    """
    for value in values:
        applies = True
        for directive in value.lower().split(","):
            name, colon, rest = directive.partition(":")
            if colon and name.strip() not in _VALUED:
                applies = name.strip() in (agent.lower(), "*")
                directive = rest
            if applies and directive.strip() in refusals:
                return directive.strip()
    return None


def reserves_tdm(value: str | None) -> bool:
    """Tell whether a tdm-reservation header or meta tag reserves the rights."""
    return value is not None and value.strip() == "1"


def refusal_in_headers(headers: Iterable[tuple[str, str]], agent: str) -> str | None:
    """Find the HTTP header by which a site refuses use, whatever the case of its name.

    Args:
        headers: names and values, with repeats.
        agent: product token of our user agent.

    Returns:
        "x-robots-tag: ..." or "tdm-reservation: 1", or None.
    """
    headers = [(name.lower(), value) for name, value in headers]
    directive = refusal_in_robots_tags((value for name, value in headers if name == "x-robots-tag"), agent)
    if directive:
        return f"x-robots-tag: {directive}"
    reserved = any(name == "tdm-reservation" and reserves_tdm(value) for name, value in headers)
    return "tdm-reservation: 1" if reserved else None
