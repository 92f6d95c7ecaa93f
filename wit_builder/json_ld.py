"""Images and their captions in a page's JSON-LD (schema.org ImageObject)."""

from collections.abc import Iterator
from typing import Any

import msgspec

_TEXTS = ("caption", "description", "name")


def image_objects(content: str) -> Iterator[tuple[str, str]]:
    """Give address and text of each ImageObject; none if the JSON is broken.

    The text is its caption, else its description, else its name.
    """
    try:
        waiting: list[Any] = [msgspec.json.decode(content.strip().encode("utf-8", "replace"), strict=False)]
    except (msgspec.DecodeError, RecursionError):
        return
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(reversed(node))
        elif isinstance(node, dict):
            waiting.extend(reversed(node.values()))
            if "ImageObject" in _words(node.get("@type")):
                url = _first(node.get("contentUrl")) or _first(node.get("url"))
                text = next((text for key in _TEXTS if (text := _first(node.get(key)))), "")
                if url and text:
                    yield url, text


def _words(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _first(value: Any) -> str:
    """Give the first string of a value, a list or a JSON-LD value object."""
    value = _words(value)[0] if _words(value) else None
    if isinstance(value, dict):
        value = value.get("@value") or value.get("@id") or value.get("text")
    return value.strip() if isinstance(value, str) else ""
