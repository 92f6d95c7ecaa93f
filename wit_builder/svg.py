"""SVG drawn safely: nothing outside the file is looked at, no font, no script, no animation."""

import re

import resvg_py

_MAX_BYTES = 1_000_000
_HEAD = 1_024  # bytes in which an <svg must begin
_OUTSIDE = re.compile(
    rb"""<!(?:ENTITY|DOCTYPE[^>]*\[)|@import|<script|(?:href|src)\s*=\s*["']\s*(?!\#|data:image/)"""
    rb"""|url\(\s*["']?\s*(?!["']?\#)|<\?xml-stylesheet""",
    re.IGNORECASE,
)


def looks_like_svg(data: bytes) -> bool:
    """Tell by its begin whether a file is an SVG."""
    head = data[:_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return head.startswith((b"<svg", b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in head


def rasterize(data: bytes) -> bytes:
    """Draw an SVG in its own size.

    Returns:
        A PNG.

    Raises:
        ValueError: it refers to something outside itself, is too long or is no UTF-8.
        Exception: of any kind, on a broken file.
    """
    if len(data) > _MAX_BYTES or _OUTSIDE.search(data):
        raise ValueError("an SVG that is too long or not complete in itself")
    return bytes(resvg_py.svg_to_bytes(svg_string=data.decode("utf-8-sig"), skip_system_fonts=True))
