"""The crawler's memory on disk: which pages are known, which are done, how far the WARC files go.

One SQLite file a shard. A commit outlives the end of the process, however it ends. It
outlives a loss of power too, or is lost together with what came after it: nothing is
synced but by `sync`, so the WARC file may turn out shorter than the frontier says, and
`cut_back` sends the pages that it lacks to be visited again.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from wit_builder.errors import UserError
from wit_builder.hashing import hash_text
from wit_builder.outcomes import Outcome
from wit_builder.visits import KeptRobots, Page, Totals, Visit, WarcState, Wave

_BATCH = 100  # pages read at a time
_RANKS = 1 << 63  # SQLite's integers are signed
_SCHEMA = """
CREATE TABLE IF NOT EXISTS pages (
    id INTEGER PRIMARY KEY,
    url TEXT NOT NULL UNIQUE,
    host TEXT NOT NULL,
    depth INTEGER NOT NULL,
    redirects INTEGER NOT NULL,
    sitemap INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    shard INTEGER,
    found_in INTEGER NOT NULL,
    outcome TEXT,
    status INTEGER,
    size INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS waiting ON pages (depth, redirects, host, rank)
    WHERE outcome IS NULL AND shard IS NULL;
CREATE INDEX IF NOT EXISTS foreign_pages ON pages (found_in) WHERE shard IS NOT NULL;
CREATE TABLE IF NOT EXISTS captures (
    page INTEGER PRIMARY KEY,
    archive TEXT NOT NULL,
    offset INTEGER NOT NULL,
    record_id TEXT NOT NULL,
    date TEXT NOT NULL,
    digest TEXT NOT NULL,
    etag TEXT NOT NULL,
    modified TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS hosts (host TEXT PRIMARY KEY, asked INTEGER NOT NULL, asked_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS robots (
    url TEXT PRIMARY KEY, asked_at REAL NOT NULL, status INTEGER, error TEXT, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS warcs (
    number INTEGER PRIMARY KEY, length INTEGER NOT NULL, finished INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS totals (outcome TEXT PRIMARY KEY, pages INTEGER NOT NULL, bytes INTEGER NOT NULL);
CREATE TRIGGER IF NOT EXISTS page_found AFTER INSERT ON pages WHEN NEW.shard IS NULL BEGIN
    INSERT INTO totals VALUES (coalesce(NEW.outcome, ''), 1, NEW.size)
    ON CONFLICT DO UPDATE SET pages = pages + 1, bytes = bytes + NEW.size;
END;
CREATE TRIGGER IF NOT EXISTS page_done AFTER UPDATE OF outcome ON pages WHEN NEW.shard IS NULL BEGIN
    UPDATE totals SET pages = pages - 1, bytes = bytes - OLD.size WHERE outcome = coalesce(OLD.outcome, '');
    INSERT INTO totals VALUES (coalesce(NEW.outcome, ''), 1, NEW.size)
    ON CONFLICT DO UPDATE SET pages = pages + 1, bytes = bytes + NEW.size;
END;
"""
# A page found again nearer to a seed moves up; one that is done stays.
_ADD = """
INSERT INTO pages (url, host, depth, redirects, sitemap, rank, shard, found_in)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (url) DO UPDATE
SET depth = excluded.depth, redirects = excluded.redirects, found_in = excluded.found_in
WHERE outcome IS NULL AND (excluded.depth, excluded.redirects) < (depth, redirects)
"""
_CLAIM = """
INSERT INTO pages (url, host, depth, redirects, sitemap, rank, found_in, outcome)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (url) DO UPDATE SET outcome = excluded.outcome WHERE outcome IS NULL
"""
_ASKED = """
INSERT INTO hosts VALUES (?, 1, ?) ON CONFLICT DO UPDATE SET asked = asked + 1, asked_at = excluded.asked_at
"""


class Frontier:
    """The pages of one shard of a crawl.

    Args:
        path: the SQLite file; made if it is not there.
        round_: number of the round that finds pages now.

    Raises:
        UserError: another process has it open, or it is not a frontier.
    """

    def __init__(self, path: Path, round_: int = 0) -> None:
        self._round = round_
        self._connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
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

    def sync(self) -> None:
        """Make every commit outlive a loss of power."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def commit(
        self,
        visit: Visit | None = None,
        *,
        found: Iterable[Page] = (),
        robots: KeptRobots | None = None,
        warc: WarcState | None = None,
    ) -> None:
        """Write down a visit and the pages it found, or whatever else is given, all or nothing."""
        with self._connection, closing(self._connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            if visit is not None:
                self._visited(cursor, visit)
            cursor.executemany(_ADD, (self._row(page) for page in [*found, *(visit.found if visit else ())]))
            if robots is not None:
                cursor.execute("INSERT OR REPLACE INTO robots VALUES (?, ?, ?, ?, ?)", robots)
            if warc is not None:
                cursor.execute("INSERT OR REPLACE INTO warcs VALUES (?, ?, ?)", warc)

    def _visited(self, cursor: sqlite3.Cursor, visit: Visit) -> None:
        cursor.execute(
            "UPDATE pages SET outcome = ?, status = ?, size = ? WHERE url = ?",
            (visit.outcome, visit.status, visit.size, visit.page.url),
        )
        if visit.capture:
            cursor.execute(
                "INSERT OR REPLACE INTO captures SELECT id, ?, ?, ?, ?, ?, ?, ? FROM pages WHERE url = ?",
                (*visit.capture, visit.page.url),
            )
        if visit.canonical:
            url, host, *wave, sitemap, rank, _, found_in = self._row(visit.canonical)
            cursor.execute(_CLAIM, (url, host, *wave, sitemap, rank, found_in, Outcome.DUPLICATE_PAGE))
        if visit.asked_at is not None:
            cursor.execute(_ASKED, (visit.page.host, visit.asked_at))

    def _row(self, page: Page) -> tuple[str | int | None, ...]:
        rank = hash_text(page.url) - _RANKS
        return (page.url, page.host, *page.wave, page.sitemap, rank, page.shard, self._round)

    def next_wave(self) -> Wave | None:
        """Give the nearest wave with a page to visit."""
        row = self._connection.execute(
            "SELECT depth, redirects FROM pages WHERE outcome IS NULL AND shard IS NULL"
            " ORDER BY depth, redirects LIMIT 1"
        ).fetchone()
        return row and Wave(*row)

    def waiting_by_wave(self) -> dict[Wave, int]:
        """Count the pages to visit."""
        rows = self._connection.execute(
            "SELECT depth, redirects, count(*) FROM pages WHERE outcome IS NULL AND shard IS NULL"
            " GROUP BY depth, redirects"
        )
        return {Wave(depth, redirects): count for depth, redirects, count in rows}

    def last_rank(self, wave: Wave, pages: int) -> int:
        """Give the rank of the last page that is visited if a wave may have so many more."""
        row = self._connection.execute(
            "SELECT rank FROM pages WHERE outcome IS NULL AND shard IS NULL AND depth = ? AND redirects = ?"
            " ORDER BY rank LIMIT 1 OFFSET ?",
            (*wave, max(pages, 1) - 1),
        ).fetchone()
        return int(row[0]) if row else _RANKS - 1

    def hosts(self, wave: Wave) -> Iterator[str]:
        """Yield the hosts with a page to visit in a wave, sorted."""
        last = ""
        while rows := self._connection.execute(
            "SELECT DISTINCT host FROM pages WHERE outcome IS NULL AND shard IS NULL"
            " AND depth = ? AND redirects = ? AND host > ? ORDER BY host LIMIT ?",
            (*wave, last, _BATCH),
        ).fetchall():
            yield from (host for (host,) in rows)
            last = rows[-1][0]

    def waiting(self, wave: Wave, host: str, last_rank: int = _RANKS - 1) -> Iterator[Page]:
        """Yield the pages of a host and wave in the order of a hash of their URLs, each once.

        Visits may be committed meanwhile.
        """
        last = -_RANKS
        while rows := self._connection.execute(
            "SELECT rank, url, sitemap FROM pages WHERE outcome IS NULL AND shard IS NULL"
            " AND depth = ? AND redirects = ? AND host = ? AND rank > ? AND rank <= ? ORDER BY rank LIMIT ?",
            (*wave, host, last, last_rank, _BATCH),
        ).fetchall():
            for last, url, sitemap in rows:  # noqa: B007 - the last rank is where the next batch begins
                yield Page(url, host, wave, bool(sitemap))

    def outcome(self, url: str) -> Outcome | None:
        """Tell what became of a page; None if it waits or is not known."""
        row = self._connection.execute("SELECT outcome FROM pages WHERE url = ?", (url,)).fetchone()
        return Outcome(row[0]) if row and row[0] else None

    def asked(self, host: str) -> tuple[int, float]:
        """Count the pages of a host that were asked for, and give the time of the last request."""
        row = self._connection.execute("SELECT asked, asked_at FROM hosts WHERE host = ?", (host,)).fetchone()
        return row or (0, 0.0)

    def asked_in_all(self) -> int:
        """Count the pages that were asked for."""
        return int(self._connection.execute("SELECT coalesce(sum(asked), 0) FROM hosts").fetchone()[0])

    def robots(self, url: str) -> KeptRobots | None:
        """Give the last answer to a request for a robots.txt."""
        row = self._connection.execute("SELECT * FROM robots WHERE url = ?", (url,)).fetchone()
        return row and KeptRobots(*row)

    def foreign_pages(self) -> Iterator[Page]:
        """Yield the pages of other shards that this round has found, or has found to be nearer."""
        rows = self._connection.execute(
            "SELECT url, host, depth, redirects, sitemap, shard FROM pages"
            " WHERE shard IS NOT NULL AND found_in = ? ORDER BY shard, rank",
            (self._round,),
        )
        for url, host, depth, redirects, sitemap, shard in rows:
            yield Page(url, host, Wave(depth, redirects), bool(sitemap), shard)

    def warcs(self) -> list[WarcState]:
        """List the committed WARC files, in order."""
        rows = self._connection.execute("SELECT number, length, finished FROM warcs ORDER BY number")
        return [WarcState(number, length, bool(finished)) for number, length, finished in rows]

    def cut_back(self, state: WarcState, archive: str, size: int) -> WarcState:
        """Forget the visits whose records a WARC file has lost.

        Args:
            state: as committed.
            archive: the file's name.
            size: bytes it has.

        Returns:
            The state that holds from now on.
        """
        if size >= state.length:
            return state
        with self._connection, closing(self._connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            (end,) = cursor.execute(
                "SELECT coalesce(max(offset), 0) FROM captures WHERE archive = ? AND offset <= ?",
                (archive, size),
            ).fetchone()
            lost = "SELECT page FROM captures WHERE archive = ? AND offset >= ?"
            cursor.execute(f"UPDATE pages SET outcome = NULL WHERE id IN ({lost})", (archive, end))
            cursor.execute("DELETE FROM captures WHERE archive = ? AND offset >= ?", (archive, end))
            state = state._replace(length=end)
            cursor.execute("INSERT OR REPLACE INTO warcs VALUES (?, ?, ?)", state)
        return state

    def totals(self) -> dict[Outcome | None, Totals]:
        """Count pages and sum their bytes by outcome; None: still to visit."""
        rows = self._connection.execute("SELECT outcome, pages, bytes FROM totals WHERE pages > 0")
        return {Outcome(outcome) if outcome else None: Totals(*counts) for outcome, *counts in rows}
