"""The vocabulary's slow parts: wikitext to text, and counting a dump whose bigrams never end.

Articles: the 106 of the piece of the English Wikipedia that gensim's wheel carries. Peers:
mwparserfromhell's strip_code on the whole page, and wikiextractor. Agreement: with
mwparserfromhell's tree after references, formulas, galleries, files and categories were
taken out of it (`tests.vocab.agreement`).

The dumps to count are made: words of a million, Zipf-Mandelbrot distributed, so that
their distinct bigrams grow with the dump (Heaps' law), 40 million in 300 MB.
"""

import argparse
import logging
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import mwparserfromhell
import numpy as np
from rich.console import Console
from rich.table import Table
from wikiextractor.extract import Extractor

from tests import wikipedia
from tests.bench.processes import Usage, run_measured
from tests.bench.table import compare, rate, report
from tests.vocab.agreement import oracle_text, overlap
from vocab.dump import Page, read_pages, skip_reason
from vocab.wikitext import plain_text
from wit_builder.text import tokenize

SIZES = (30, 100, 300)
"""MB of XML of the dumps that are made."""
_WORDS = 1_000_000
_SHIFT = 100
_WORDS_PER_PAGE = 1_000
_SEED = 0


def main() -> None:
    """Time the cleaning against the peers, then count the dumps."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, metavar="MB")
    sizes = parser.parse_known_args()[0].sizes
    articles = [page for page in read_pages(str(wikipedia.enwiki_sample())) if isinstance(page, Page)]
    texts = [page.text for page in articles if skip_reason(page) is None]
    _compare_cleaners(texts)
    if sizes:
        _count_growing_dumps(sizes)


def _strip_code(text: str) -> str:
    return str(mwparserfromhell.parse(text).strip_code())


def _wikiextractor(text: str) -> str:
    return "\n".join(Extractor(0, "0", "", "", [text]).clean_text(text))


_PEERS: dict[str, Callable[[str], str]] = {"strip_code": _strip_code, "wikiextractor": _wikiextractor}


def _compare_cleaners(texts: Sequence[str]) -> None:
    logging.getLogger().setLevel(logging.CRITICAL)  # wikiextractor tells of every page
    megabytes = sum(len(text.encode()) for text in texts) / 1e6

    def seconds(clean: Callable[[str], str]) -> float:
        return 1 / rate(lambda: [clean(text) for text in texts], 1)

    ours = seconds(plain_text)
    rows = []
    for name, clean in _PEERS.items():
        peer = seconds(clean)
        rows.append(compare("wikitext to text", "pages/s", len(texts) / ours, len(texts) / peer, name))
        rows.append(compare("wikitext to text", "MB/s", megabytes / ours, megabytes / peer, name))
    report(f"{len(texts)} articles, {megabytes:.1f} MB of wikitext", rows)
    table = Table(
        "cleaner", "top 1,000 words", "top 10,000 words", "words", title="Agreement with the parser's tree"
    )
    expected = _words(texts, oracle_text)
    cleaners = {"ours": plain_text, **_PEERS}
    for name, clean in cleaners.items():
        found = _words(texts, clean)
        tops = [f"{overlap(found, expected, top):.1%}" for top in (1_000, 10_000)]
        table.add_row(name, *tops, f"{found.total() / expected.total():.2%}")
    Console().print(table)


def _words(texts: Sequence[str], clean: Callable[[str], str]) -> Counter[str]:
    return Counter(word for text in texts for word in tokenize(clean(text)))


def _count_growing_dumps(sizes: Sequence[int]) -> None:
    table = Table(
        "MB of XML", "words", "distinct bigrams", "s", "s per MB", "core s per MB", "peak MB of a process"
    )
    table.title = "wit vocab build, two workers"
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            dump = Path(folder, "wiki.xml")
            words, bigrams = _write_dump(dump, size * 1_000_000)
            usage = _build(dump, Path(folder, "vocab"))
        costs = (f"{usage.seconds / size:.2f}", f"{usage.cpu_seconds / size:.2f}", f"{usage.peak_mb:.0f}")
        table.add_row(f"{size}", f"{words:,}", f"{bigrams:,}", f"{usage.seconds:.0f}", *costs)
    Console().print(table)


def _write_dump(path: Path, size: int) -> tuple[int, int]:
    """Write a dump of `size` bytes; give its words and distinct bigrams."""
    chances = np.cumsum(1 / (np.arange(_WORDS) + _SHIFT))
    letters = np.random.default_rng(_SEED)
    names = np.array([_spell(number) for number in range(_WORDS)])
    pairs, words = [], 0
    with path.open("wb") as dump:
        dump.write(wikipedia.HEAD.encode())
        while dump.tell() < size:
            drawn = np.searchsorted(chances, letters.random(_WORDS_PER_PAGE * 100) * chances[-1])
            for start in range(0, drawn.size, _WORDS_PER_PAGE):
                page = drawn[start : start + _WORDS_PER_PAGE]
                dump.write(wikipedia.page("T", " ".join(names[page])).encode())
                pairs.append(page[:-1].astype(np.uint64) << np.uint64(32) | page[1:].astype(np.uint64))
            words += drawn.size
        dump.write(wikipedia.END.encode())
    return words, np.unique(np.concatenate(pairs)).size


def _spell(number: int) -> str:
    """Write a number as a word of 2 to 5 letters: frequent ones are short."""
    letters = ""
    number += 26
    while number:
        number, letter = divmod(number, 26)
        letters += chr(ord("a") + letter)
    return letters


def _build(dump: Path, output: Path) -> Usage:
    options = ["--wordnet", "none", "--min-count", "10", "--min-bigram-count", "10"]
    command = [
        sys.executable,
        "-m",
        "pipelines.cli",
        "vocab",
        "build",
        "--dumps",
        str(dump),
        "--output",
        str(output),
    ]
    return run_measured([*command, *options])


if __name__ == "__main__":
    main()
