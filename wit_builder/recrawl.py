"""What an earlier crawl has of a page: how to ask whether it changed, and its body if it did not."""

import sqlite3
from pathlib import Path

from wit_builder.errors import UserError
from wit_builder.links import shard_of
from wit_builder.outcomes import KEPT
from wit_builder.visits import Capture
from wit_builder.warc import read_response
from wit_builder.web import HttpResponse

FRONTIERS = "frontier-*.sqlite"

_FIND = f"""
SELECT archive, offset, record_id, date, digest, etag, modified
FROM captures JOIN pages ON page = id WHERE url = ? AND outcome IN ({", ".join("?" for _ in KEPT)})
"""


class EarlierCrawl:
    """The finished crawl of a folder, which is only read.

    Args:
        folder: with its frontiers and WARC files.

    Raises:
        UserError: it holds no frontier.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._frontiers = [
            sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)
            for path in sorted(self._folder.glob(FRONTIERS))
        ]
        if not self._frontiers:
            raise UserError(f"{folder} holds no {FRONTIERS}; name the folder of an earlier crawl")

    def close(self) -> None:
        """Release the files."""
        for frontier in self._frontiers:
            frontier.close()

    def find(self, url: str, host: str) -> Capture | None:
        """Give where a page lies whose body is still there; its `archive` is a full path.

        Args:
            url: of the page, in its one form.
            host: host:port.
        """
        frontier = self._frontiers[shard_of(host, len(self._frontiers))]
        row = frontier.execute(_FIND, (url, *KEPT)).fetchone()
        if row is None:
            return None
        capture = Capture(*row)
        path = self._folder / capture.archive
        return capture._replace(archive=str(path)) if path.exists() else None

    def read(self, capture: Capture) -> HttpResponse:
        """Read the answer that holds the body of a page.

        Raises:
            UserError: the WARC file is not what it was.
        """
        try:
            return read_response(Path(capture.archive), capture.offset)
        except (ValueError, OSError) as error:
            raise UserError(f"cannot read {capture.archive} ({error}); crawl without --recrawl") from None


def conditions(capture: Capture | None) -> dict[str, str]:
    """Give the headers that ask only for what has changed (RFC 9110 13.1)."""
    if capture is None:
        return {}
    named = {"If-None-Match": capture.etag, "If-Modified-Since": capture.modified}
    return {name: value for name, value in named.items() if value}
