"""Which URLs a fetch round takes: at most N per site, chosen by hash.

A site is a group of `rates`: what shares a rate. Its URLs are ordered by a seeded hash. A
round takes the N smallest above the last round's mark, so rounds go through a site's
URLs without a list of what is done; a work item that could not do all lowers the mark.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wit_builder.hashing import UInt64s, hash_text
from wit_builder.rates import Rates

LAST = 0xFFFFFFFFFFFFFFFF
"""Mark of a site all of whose URLs are taken."""


@dataclass(frozen=True)
class Limit:
    """How many distinct URLs of a site a round takes.

    Args:
        rates: what a site is, and its rate.
        seconds: that a work item may take.
        most: at most so many, whatever the rate allows: a work item is held in memory.
    """

    rates: Rates
    seconds: float
    most: int

    def of(self, site: str) -> int:
        """Give the limit of one site."""
        return min(self.rates.urls_in(site, self.seconds), self.most)

    def greatest(self) -> int:
        """Give the limit of the site that is asked most often."""
        return max(map(self.of, ("", *self.rates.groups())))


@dataclass(frozen=True)
class Round:
    """Takes the URLs of one round and gives each site a work item.

    Args:
        seed: of the hash.
        after: mark of each site in the last round; None in the first round. A site
            that is not named was taken whole.
        upto: mark of each site in this round; a site that is not named is taken whole.
        rates: what a site is.
    """

    seed: int
    after: Mapping[str, int] | None
    upto: Mapping[str, int]
    rates: Rates = field(default_factory=Rates)

    def takes(self, site: str, url: str) -> bool:
        """Tell whether a URL is fetched in this round."""
        after = 0 if self.after is None else self.after.get(site, LAST)
        return after < url_hash(url, self.seed) <= self.upto.get(site, LAST)


def url_hash(url: str, seed: int) -> int:
    """Order the URLs of a site: 1 to 2^64 - 1."""
    return max(1, hash_text(url, seed))


def hashes_by_site(urls: Iterable[str], round_: Round, limit: Limit) -> Iterator[tuple[str, UInt64s]]:
    """List, per site, the hashes of the URLs that this round may take.

    Args:
        urls: of some pairs, with repeats.
        round_: with no marks of its own yet.
        limit: distinct URLs per site.

    Yields:
        Site, and at most one more hash than will be taken, uint64, sorted: one more
        tells that some are left.
    """
    hashes: dict[str, set[int]] = {}
    for url in set(urls):
        site = round_.rates.group_of(url)
        if round_.takes(site, url):
            hashes.setdefault(site, set()).add(url_hash(url, round_.seed))
    for site, values in hashes.items():
        yield site, smallest(np.fromiter(values, np.uint64, len(values)), limit.of(site) + 1)


def smallest(hashes: UInt64s, k: int) -> UInt64s:
    """Give the k smallest distinct hashes, sorted."""
    return np.unique(hashes)[:k]


def estimate(hashes: UInt64s, limit: int) -> int:
    """Tell how many distinct URLs a site has of its smallest hashes.

    Args:
        hashes: sorted, the smallest; all if they are not more than the limit.
        limit: how many were kept, at least.

    Returns:
        Exact up to the limit; beyond it the k-th smallest of n evenly spread hashes stands
        at k / n of their range (Bar-Yossef et al. 2002), with an error of about 1 / sqrt(limit).
    """
    if len(hashes) <= limit:
        return len(hashes)
    return round((limit - 0.5) / (int(hashes[limit - 1]) / 2**64))


def first_left(urls: Iterable[str], done: Container[str], round_: Round) -> dict[str, int]:
    """Give the marks of the sites that a work item left unfinished.

    Args:
        urls: of the item.
        done: those that were asked for.
        round_: the order and the sites.

    Returns:
        Site and the hash below which all its URLs are done.
    """
    left: dict[str, int] = {}
    for url in urls:
        if url not in done:
            site = round_.rates.group_of(url)
            left[site] = min(left.get(site, LAST), url_hash(url, round_.seed) - 1)
    return left


def items_of(batch: pa.RecordBatch, round_: Round, items: int) -> npt.NDArray[np.int64]:
    """Give each row the work item of its site, or -1 if this round does not take its URL.

    Args:
        batch: n rows with a `url` column.
        round_: with its marks.
        items: how many work items there are.

    Returns:
        int64 of shape (n,).
    """
    numbers = np.full(batch.num_rows, -1, np.int64)
    for row, url in enumerate(batch.column("url").to_pylist()):
        site = round_.rates.group_of(url)
        if round_.takes(site, url):
            numbers[row] = hash_text(site, round_.seed) % items
    return numbers
