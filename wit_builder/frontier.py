"""The crawler's memory on disk: which pages are known, which are done, how far the WARC files go.

One SQLite file. What a commit says is durable when it returns, so the crawler
writes and syncs its WARC file first and commits its length here.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from wit_builder.errors import UserError

DONE = "ok"

_BATCH = 100  # pages read at a time
_SCHEMA = """
CREATE TABLE IF NOT EXISTS pages (
    id INTEGER PRIMARY KEY,
    url TEXT NOT NULL UNIQUE,
    host TEXT NOT NULL,
    depth INTEGER NOT NULL,
    redirects INTEGER NOT NULL,
    outcome TEXT,
    size INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS waiting ON pages (depth, redirects, host, id) WHERE outcome IS NULL;
CREATE TABLE IF NOT EXISTS warcs (
    number INTEGER PRIMARY KEY,
    length INTEGER NOT NULL,
    finished INTEGER NOT NULL
);
"""
# A page found again nearer to a seed moves up; one that is done stays.
_ADD = """
INSERT INTO pages (url, host, depth, redirects) VALUES (:url, :host, :depth, :redirects)
ON CONFLICT (url) DO UPDATE SET depth = excluded.depth, redirects = excluded.redirects
WHERE outcome IS NULL AND (excluded.depth, excluded.redirects) < (depth, redirects)
"""


class Wave(NamedTuple):
    """Pages equally far from the seeds; waves are visited in this order."""

    depth: int
    redirects: int
    """Redirects followed since the last link."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page to visit."""

    url: str
    host: str
    """host:port."""
    wave: Wave


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of a page."""

    page: Page
    outcome: str
    """`DONE`, or why not."""
    size: int = 0
    """Body, in bytes."""
    found: tuple[Page, ...] = ()


class WarcState(NamedTuple):
    """How much of a WARC file holds committed records."""

    number: int
    length: int
    """Bytes."""
    finished: bool


class Frontier:
    """The pages of one crawl.

    Args:
        path: the SQLite file; made if it is not there.

    Raises:
        UserError: another process has it open, or it is not a frontier.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            self._connection.close()
            raise UserError(f"cannot use {path}: {error}; is another crawl writing to this folder?") from None
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise UserError(f"cannot use {path}: {error}; choose another output folder") from None

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def commit(
        self, visits: Iterable[Visit] = (), warc: WarcState | None = None, seeds: Iterable[Page] = ()
    ) -> None:
        """Make visits, the pages they found, and the WARC file's length durable, all or nothing."""
        visits = list(visits)
        found = [page for visit in visits for page in visit.found]
        with self._connection, closing(self._connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            cursor.executemany(
                "UPDATE pages SET outcome = ?, size = ? WHERE url = ?",
                [(visit.outcome, visit.size, visit.page.url) for visit in visits],
            )
            cursor.executemany(
                _ADD,
                [{"url": page.url, "host": page.host, **page.wave._asdict()} for page in [*seeds, *found]],
            )
            if warc is not None:
                cursor.execute("INSERT OR REPLACE INTO warcs VALUES (?, ?, ?)", warc)

    def next_wave(self) -> Wave | None:
        """Give the nearest wave with a page to visit."""
        row = self._connection.execute(
            "SELECT depth, redirects FROM pages WHERE outcome IS NULL ORDER BY depth, redirects LIMIT 1"
        ).fetchone()
        return row and Wave(*row)

    def hosts(self, wave: Wave) -> list[str]:
        """List the hosts with a page to visit in a wave, sorted."""
        rows = self._connection.execute(
            "SELECT DISTINCT host FROM pages WHERE outcome IS NULL AND depth = ? AND redirects = ?"
            " ORDER BY host",
            wave,
        )
        return [host for (host,) in rows]

    def waiting(self, wave: Wave, host: str) -> Iterator[Page]:
        """Yield the pages of a host and wave in the order they were found, each once.

        Visits may be committed meanwhile.
        """
        last = 0
        while rows := self._connection.execute(
            "SELECT id, url FROM pages WHERE outcome IS NULL AND depth = ? AND redirects = ? AND host = ?"
            " AND id > ? ORDER BY id LIMIT ?",
            (*wave, host, last, _BATCH),
        ).fetchall():
            for last, url in rows:  # noqa: B007 - the last id is where the next batch begins
                yield Page(url, host, wave)

    def warcs(self) -> list[WarcState]:
        """List the committed WARC files, in order."""
        rows = self._connection.execute("SELECT number, length, finished FROM warcs ORDER BY number")
        return [WarcState(number, length, bool(finished)) for number, length, finished in rows]

    def outcomes(self) -> dict[str | None, tuple[int, int]]:
        """Count pages and sum their bytes by outcome; None: still to visit."""
        rows = self._connection.execute("SELECT outcome, count(*), sum(size) FROM pages GROUP BY outcome")
        return {outcome: (count, size) for outcome, count, size in rows}
