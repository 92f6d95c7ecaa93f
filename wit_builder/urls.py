"""Image addresses, resolved as the WHATWG URL standard says (by the Ada parser)."""

import can_ada

_WEB = ("http://", "https://")


class Base:
    """The address that a page's relative ones are resolved against."""

    def __init__(self, page_url: str, declared: str | None = None) -> None:
        """Set the base.

        Args:
            page_url: address of the page.
            declared: what the page's base element says. One that is no address of the web
                is ignored, as browsers do with data: and javascript:.
        """
        self._url: can_ada.URL | None = _parsed(page_url)
        if declared:
            joined = _joined(self._url, declared)
            if joined is not None and joined.href.startswith(_WEB):
                self._url = joined

    def resolve(self, address: str) -> str | None:
        """Make an address absolute and canonical, without its fragment; None if it is none."""
        joined = _joined(self._url, address)
        if joined is None:
            return None
        url: str = joined.href
        return url.partition("#")[0] if "#" in url else url


def _parsed(url: str) -> can_ada.URL | None:
    try:
        return can_ada.parse(url)
    except (ValueError, TypeError):  # of a lone surrogate it says that it is no string
        return None


def _joined(base: can_ada.URL | None, address: str) -> can_ada.URL | None:
    if base is None:
        return _parsed(address)
    try:
        return base + address
    except ValueError:
        return None
    except TypeError:  # half of a surrogate pair, which browsers replace
        return _joined(base, encodable(address))


def encodable(text: str) -> str:
    """Replace halves of surrogate pairs, which no file can hold, by U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
