"""Synthetic matches with the published head and tail, as `wit match` would have written them.

Of 500,000 queries 114,000 match nothing and 16,000 exceed 20,000 of 1.6 billion pairs; these hold
94.5 % of 5.6 billion matches, "of" is in 7.5 % of the texts, a text has 3.5 matches (MetaCLIP, Xu et
al. 2024, section 3). A row is a function of its number, so any process can make any part.

    python -m tests.bench.synthetic --pairs 1000000 --output matches
"""

import argparse
import binascii
import shutil
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wit_builder import manifest, schemas
from wit_builder.hashing import UInt64s, mix
from wit_builder.manifest import sum_footers
from wit_builder.parts import PartSummary, part_path, write_table

QUERIES = 500_000
MATCHED_QUERIES = 386_000
HEAD_QUERIES = 16_000
HEAD_SHARE = 0.945
FIRST_SHARE = 0.075 / 3.5
PUBLISHED_PAIRS = 1_600_000_000
PUBLISHED_CAP = 20_000
MATCHES_PER_PAIR = 3.5
ROWS_PER_PART = 200_000
REPEATED = 0.1
"""Share of the rows whose pair is another row's, too."""

Shares = npt.NDArray[np.float64]


def scaled_cap(pairs: int) -> int:
    """Give the cap that so many pairs would have, for the same head and tail."""
    return max(1, round(PUBLISHED_CAP * pairs / PUBLISHED_PAIRS))


@cache
def query_shares() -> Shares:
    """Give each query's share of all matches, most frequent first: float64 of shape (QUERIES,)."""
    least = PUBLISHED_CAP / (MATCHES_PER_PAIR * PUBLISHED_PAIRS)
    rank = np.arange(1, HEAD_QUERIES + 1)
    low, high = 0.0, 1e6
    for _ in range(200):  # Zipf-Mandelbrot through both ends; the offset makes the sum right
        offset = (low + high) / 2
        power = np.log(FIRST_SHARE / least) / np.log((HEAD_QUERIES + offset) / (1 + offset))
        head = FIRST_SHARE * ((rank + offset) / (1 + offset)) ** -power
        low, high = (offset, high) if head.sum() < HEAD_SHARE else (low, offset)
    tail = np.arange(HEAD_QUERIES + 1, MATCHED_QUERIES + 1) ** -2.0
    tail *= (1 - HEAD_SHARE) / tail.sum()
    return np.concatenate([head, tail, np.zeros(QUERIES - MATCHED_QUERIES)])


@cache
def _cumulated() -> tuple[Shares, npt.NDArray[np.int32]]:
    ids = np.random.default_rng(0).permutation(QUERIES).astype(np.int32)
    return np.cumsum(query_shares()[:MATCHED_QUERIES]), ids


def matches_of_pairs(numbers: UInt64s) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Draw the matches of some pairs: offsets of shape (n + 1,) and sorted unique query ids."""
    cumulated, ids = _cumulated()
    unit = _unit(mix(numbers, 1))
    lengths = 1 + np.searchsorted(_POISSON, unit)
    rows = np.repeat(np.arange(len(numbers)), lengths)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    drawn = _unit(mix(numbers[rows] ^ mix(place.astype(np.uint64), 2), 3))
    found = ids[np.minimum(np.searchsorted(cumulated, drawn * cumulated[-1]), MATCHED_QUERIES - 1)]
    both = np.unique(rows * QUERIES + found)
    offsets = np.searchsorted(both, np.arange(len(numbers) + 1) * QUERIES)
    return offsets, (both % QUERIES).astype(np.int32)


_POISSON = np.cumsum(np.exp(-2.56) * np.cumprod([1.0, *(2.56 / k for k in range(1, 20))]))
"""Distribution of the matches of a text beyond the first; some are drawn twice."""

_WORDS = pa.array([f"{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}w{n}" for n in range(20_000)])


def _unit(values: UInt64s) -> Shares:
    return (values >> np.uint64(11)).astype(np.float64) / float(2**53)


def rows_of(first: int, count: int) -> pa.Table:
    """Make rows first .. first + count - 1, in `schemas.MATCHED_PAIR`: URL 80 bytes, text about 60."""
    row = np.arange(first, first + count, dtype=np.uint64)
    other = (mix(row, 4) % np.uint64(first + count)).astype(np.uint64)
    numbers = np.where(_unit(mix(row, 5)) < REPEATED, other, row)
    offsets, ids = matches_of_pairs(numbers)
    uids = _hex(np.column_stack([mix(numbers, 6), mix(numbers, 7)]))
    words = [_WORDS.take(pa.array(mix(numbers, 8 + n) % np.uint64(len(_WORDS)))) for n in range(8)]
    hosts = pc.cast(pa.array(mix(numbers, 20) % np.uint64(9_000) + np.uint64(1_000)), pa.string())
    url = _join("https://cdn", hosts, ".example.com/images/2021/05/", uids, ".jpg")
    pages = pc.cast(pa.array(mix(row // np.uint64(5), 21) % np.uint64(10**12)), pa.string())
    columns = {
        "uid": uids,
        "url": url,
        "text": pc.binary_join_element_wise(*words, " "),
        "text_source": pa.repeat(pa.scalar("alt"), count),
        "page_url": _join("https://www.site", hosts, ".example.com/articles/", pages, "/index.html"),
        "archive": pa.repeat(pa.scalar(f"CC-MAIN-20210505123456-{first:012d}.warc.gz"), count),
        "archive_offset": pa.array((row * np.uint64(731)).astype(np.int64)),
        "matched_query_ids": schemas.id_lists(offsets, ids),
        "selected_query_ids": schemas.id_lists(np.zeros(count + 1, np.int64), ids[:0]),
    }
    nothing = {field.name: pa.nulls(count, field.type) for field in schemas.MATCHED_PAIR}
    return pa.table({**nothing, **columns}).cast(schemas.MATCHED_PAIR)


def _join(*parts: object) -> pa.Array:
    return pc.binary_join_element_wise(*parts, "")


def _hex(halves: UInt64s) -> pa.Array:
    digits = binascii.hexlify(halves.astype(">u8").tobytes())
    offsets = np.arange(len(halves) + 1, dtype=np.int32) * 32
    return pa.StringArray.from_buffers(len(halves), pa.py_buffer(offsets), pa.py_buffer(digits))


def _write_part(path: str, first: int, count: int) -> None:
    write_table(path, rows_of(first, count), PartSummary(count, count))


def write_matches(folder: Path, pairs: int, workers: int = 2) -> None:
    """Write a folder as `wit match` leaves it."""
    shutil.rmtree(folder, ignore_errors=True)
    count = -(-pairs // ROWS_PER_PART)
    names = [part_path(str(folder), index, count) for index in range(count)]
    starts = range(0, pairs, ROWS_PER_PART)
    sizes = [min(ROWS_PER_PART, pairs - start) for start in starts]
    manifest.begin(str(folder), "match", {}, {})
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(_write_part, names, starts, sizes))
    facts = {"queries": QUERIES, "vocabulary_digest": "synthetic"}
    manifest.finish(str(folder), sum_footers(names), names, facts)


def main() -> None:
    """Write as many matches as the options say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    write_matches(options.output, options.pairs)


if __name__ == "__main__":
    main()
