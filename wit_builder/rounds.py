"""Which URLs a fetch round takes: at most N per host, chosen by hash.

A host's URLs are ordered by a seeded hash. A round takes the N smallest above the
last round's mark, so rounds go through a host's URLs without a list of what is done.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wit_builder.addresses import host_key
from wit_builder.hashing import UInt64s, hash_text

LAST = 0xFFFFFFFFFFFFFFFF
"""Mark of a host all of whose URLs are taken."""


@dataclass(frozen=True)
class Round:
    """Takes the URLs of one round and gives each host a work item.

    Args:
        seed: of the hash.
        after: mark of each host in the last round; None in the first round. A host
            that is not named was taken whole.
        upto: mark of each host in this round; a host that is not named is taken whole.
    """

    seed: int
    after: Mapping[str, int] | None
    upto: Mapping[str, int]

    def takes(self, host: str, url: str) -> bool:
        """Tell whether a URL is fetched in this round."""
        after = 0 if self.after is None else self.after.get(host, LAST)
        return after < url_hash(url, self.seed) <= self.upto.get(host, LAST)


@lru_cache(maxsize=65_536)
def host_of(url: str) -> str:
    """Name the host and port whose limits a URL falls under."""
    return host_key(url)


def url_hash(url: str, seed: int) -> int:
    """Order the URLs of a host: 1 to 2^64 - 1."""
    return max(1, hash_text(url, seed))


def hashes_by_host(urls: Iterable[str], round_: Round, limit: int) -> Iterator[tuple[str, UInt64s]]:
    """List, per host, the hashes of the URLs that this round may take.

    Args:
        urls: of some pairs, with repeats.
        round_: with no marks of its own yet.
        limit: distinct URLs per host.

    Yields:
        Host, and at most `limit` + 1 hashes, uint64, sorted: one more than will be
        taken tells that some are left.
    """
    hashes: dict[str, set[int]] = {}
    for url in set(urls):
        host = host_of(url)
        if round_.takes(host, url):
            hashes.setdefault(host, set()).add(url_hash(url, round_.seed))
    for host, values in hashes.items():
        yield host, smallest(np.fromiter(values, np.uint64, len(values)), limit + 1)


def smallest(hashes: UInt64s, k: int) -> UInt64s:
    """Give the k smallest distinct hashes, sorted."""
    return np.unique(hashes)[:k]


def items_of(batch: pa.RecordBatch, round_: Round, items: int) -> npt.NDArray[np.int64]:
    """Give each row the work item of its host, or -1 if this round does not take its URL.

    Args:
        batch: n rows with a `url` column.
        round_: with its marks.
        items: how many work items there are.

    Returns:
        int64 of shape (n,).
    """
    numbers = np.full(batch.num_rows, -1, np.int64)
    for row, url in enumerate(batch.column("url").to_pylist()):
        host = host_of(url)
        if round_.takes(host, url):
            numbers[row] = hash_text(host, round_.seed) % items
    return numbers
