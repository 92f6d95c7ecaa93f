"""Pages read per second: WARC and WAT to (image URL, text) pairs, against the loops of two peers.

The WARC holds the pages of Debian's HTML manuals (`tests.bench.pages`), the WAT describes all its
records; with WIT_TEST_DATA also a WAT of Common Crawl there, over and over. Peers run in a virtual
environment of their own (`PEERS`), on the same core, in turn with ours; they know img alone.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.bench.pages import CACHE, make_warc, make_wat
from tests.bench.table import Row, compare, report
from wit_builder.candidates import read_candidates
from wit_builder.filters import FilterOptions
from wit_builder.html import ALL_SOURCES
from wit_builder.records import TextSource
from wit_builder.transforms.candidates import ExtractCandidates
from wit_builder.transforms.parts import WorkItem

PEERS = ("warcio==1.8.1", "selectolax==0.3.34", "fastwarc==2.0.1", "pysimdjson==7.0.2")
REPEATS = 3
WAT_REPEATS = 300
IMAGES = frozenset((TextSource.ALT,))


def main() -> None:
    """Time each archive in turn; check that no pair of a peer is missing."""
    python = peer_python()
    warc = make_warc()
    wat = make_wat(warc)
    rows = [
        *measured("WARC, img only", warc, "metaclip", python, lambda: read_all(warc, IMAGES)),
        *measured("WARC, all rules", warc, "metaclip", python, lambda: read_all(warc)),
        *measured("WAT", wat, "cc2dataset", python, lambda: read_all(wat)),
        *of_common_crawl(python),
        through_parquet("WARC", warc),
        through_parquet("WAT", wat),
    ]
    report("Candidates (pages of processor time)", rows)


def of_common_crawl(python: str) -> list[Row]:
    """Compare on a real WAT of 18 records, repeated: its pages have far more links."""
    folder = os.environ.get("WIT_TEST_DATA")
    if not folder:
        return []
    records = Path(folder, "warc/webindex-wat-18.warc.wat.gz").read_bytes()
    wat = CACHE / "common-crawl.warc.wat.gz"
    wat.write_bytes(records * WAT_REPEATS)
    return measured("WAT, Common Crawl's", wat, "cc2dataset", python, lambda: read_all(wat))


def peer_python() -> str:
    """Give the interpreter of the peers' virtual environment; made if it is not there."""
    folder = CACHE.parent / "candidates-peers"
    python = folder / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *PEERS], check=True)
    return str(python)


def read_all(path: Path, sources: frozenset[TextSource] = ALL_SOURCES) -> int:
    """Read an archive's candidates; gives its pages."""
    counts: Counter[str] = Counter()

    def count(what: str) -> None:
        counts[what] += 1

    for _ in read_candidates(str(path), "wit-builder", count, sources=sources):
        pass
    return counts["pages"]


def measured(name: str, archive: Path, peer: str, python: str, ours: Callable[[], int]) -> list[Row]:
    """Compare ours with a peer: in turn, the best of some runs of each."""
    ours()  # compiles
    best, best_peer = 0.0, 0.0
    for _ in range(REPEATS):
        figures = peer_run(python, peer, archive)
        best_peer = max(best_peer, figures["rate"])
        best = max(best, figures["pages"] / processor_seconds(ours))
    missing = missing_pairs(archive, python, peer)
    print(f"{name}: {missing} pairs of {peer} are missing")
    return [compare(name, "pages/s", best, best_peer, peer)]


def processor_seconds(work: Callable[[], object]) -> float:
    """Give the processor time of some work."""
    started = time.process_time()
    work()
    return time.process_time() - started


def peer_run(python: str, peer: str, archive: Path, pairs: Path | None = None) -> dict[str, float]:
    """Run a peer's loop over an archive; gives its rate, and writes its pairs if asked to."""
    command = [python, str(Path(__file__).with_name("candidates_peers.py")), peer, str(archive)]
    done = subprocess.run([*command, *([str(pairs)] if pairs else [])], check=True, stdout=subprocess.PIPE)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def missing_pairs(archive: Path, python: str, peer: str) -> int:
    """Count the pairs that the peer finds and ours do not; compared without white space and resolution."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "pairs.json"
        peer_run(python, peer, archive, written)
        theirs = {
            (url.rpartition("/")[2], " ".join(text.split())) for url, text in json.loads(written.read_text())
        }
    ours: set[tuple[str, str]] = set()
    for batch in read_candidates(str(archive), "wit-builder", lambda what: None):
        urls, texts = batch.column("url").to_pylist(), batch.column("text").to_pylist()
        ours.update((url.rpartition("/")[2], text) for url, text in zip(urls, texts, strict=True))
    return len(theirs - ours)


def through_parquet(name: str, archive: Path) -> Row:
    """Compare a whole work item, with filters and Parquet, with the bare function."""
    with tempfile.TemporaryDirectory() as folder:
        make = ExtractCandidates(FilterOptions(), "wit-builder", False)
        make.setup()
        pages, best, bare = read_all(archive), 0.0, 0.0
        for index in range(REPEATS):
            item = WorkItem((str(archive),), f"{folder}/part-{index}.parquet")
            best = max(best, pages / processor_seconds(partial(make.run, item)))
            bare = max(bare, pages / processor_seconds(lambda: read_all(archive)))
    return compare(f"{name}, filtered and written", "pages/s", best, bare, "bare read_candidates")


if __name__ == "__main__":
    main()
