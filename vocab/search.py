"""Find queries by what they look like."""

import difflib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from xxhash import xxh3_64_intdigest

from vocab import columns
from vocab.statistics import source_bits
from wit_builder.errors import UserError
from wit_builder.hashing import mix
from wit_builder.records import QuerySource
from wit_builder.text import normalize, query_key, tokenize

Int64s = npt.NDArray[np.int64]

_GLOB_SIGNS = "*?"
_ALIKE = 0.7
"""Least share of letters that two spellings have in common, as difflib counts."""
_SAME_ENDS = 2
_LENGTHS_APART = 2


def search(queries: pa.ChunkedArray, pattern: str, *, regex: bool = False) -> Int64s:
    """Find the queries of a pattern.

    A plain pattern is the beginning of a query; one with `*` (any text) or `?` (any
    one sign) is the whole of it. Both are folded as texts are when they are matched.

    Args:
        queries: by id.
        pattern: what to look for.
        regex: the pattern is a regular expression (RE2) that is found anywhere in a
            query, whatever its case; not folded.

    Returns:
        Ids, sorted.

    Raises:
        UserError: the pattern is empty or not a regular expression.
    """
    if not pattern:
        raise UserError("the pattern is empty; give the beginning of a query, such as dog")
    if regex:
        found = _matches(queries, pattern)
    else:
        folded = normalize(pattern).replace("-", " ")
        if any(sign in folded for sign in _GLOB_SIGNS):
            found = pc.match_like(queries, _like(folded))
        else:
            found = pc.starts_with(queries, folded)
    return np.flatnonzero(found.to_numpy())


def _like(glob: str) -> str:
    """Say a glob in SQL's words."""
    escaped = "".join(f"\\{sign}" if sign in "%_\\" else sign for sign in glob)
    return escaped.replace("*", "%").replace("?", "_")


def _matches(queries: pa.ChunkedArray, regex: str) -> pa.ChunkedArray:
    try:
        return pc.match_substring_regex(queries, regex, ignore_case=True)
    except pa.ArrowInvalid as error:
        reason = str(error).partition(": ")[2]
        raise UserError(f"{regex!r} is no regular expression ({reason}); use RE2's syntax") from None


def contained(queries: pa.ChunkedArray, text: str) -> Int64s:
    """Find the queries in one text.

    As `vocab.lookup` does, whose compiled code takes longer to load than this to run;
    it is for more than a few texts.

    Args:
        queries: by id.
        text: to look into.

    Returns:
        Ids, sorted.
    """
    words = tokenize(text)
    longest = 1 + (pc.max(pc.count_substring(queries, " ")).as_py() or 0)
    runs = {" ".join(words[at : at + length]) for at in range(len(words)) for length in range(1, longest + 1)}
    places = pc.index_in(pa.array(sorted(runs), pa.string()), value_set=queries.combine_chunks())
    found: Int64s = np.sort(places.drop_null().to_numpy()).astype(np.int64)
    return found


def near_spellings(queries: pa.ChunkedArray, text: str, most: int = 5) -> list[str]:
    """List the queries that are spelt most like a text.

    Only queries that begin or end as the text does and are about as long are looked
    at: some thousands, whatever the size of the vocabulary.

    Args:
        queries: by id.
        text: in any spelling.
        most: how many to give at most.

    Returns:
        The most alike first.
    """
    key = query_key(text)
    lengths = pc.utf8_length(queries)
    near = pc.and_(
        pc.less_equal(pc.abs(pc.subtract(lengths, len(key))), _LENGTHS_APART),
        pc.or_(pc.starts_with(queries, key[:_SAME_ENDS]), pc.ends_with(queries, key[-_SAME_ENDS:])),
    )
    return difflib.get_close_matches(key, queries.filter(near).to_pylist(), most, _ALIKE)


def sample(table: pa.Table, size: int, seed: int = 0, source: str | None = None) -> Int64s:
    """Choose some queries by a hash of their text.

    A sample holds every smaller one of its seed, and a vocabulary to which queries were
    added gives mostly the same sample.

    Args:
        table: in `schemas.QUERY`.
        size: how many, at least 1; all if there are fewer.
        seed: 0 to 2^64 - 1; another one gives another sample.
        source: only queries that this source gave; None takes any.

    Returns:
        Ids, the smallest hash first.

    Raises:
        UserError: `size` is below 1, or there is no such source.
    """
    if size < 1:
        raise UserError(f"the sample's size is {size}; give at least 1")
    ids = np.arange(table.num_rows)
    if source is not None:
        ids = np.flatnonzero(source_bits(table) & (1 << _place(source)))
    texts = columns.to_list(table.column("query").take(pa.array(ids)))
    hashes = np.fromiter(map(xxh3_64_intdigest, map(str.encode, texts)), np.uint64, len(texts))
    chosen: Int64s = ids[np.lexsort((ids, mix(hashes, seed)))[:size]]
    return chosen


def _place(source: str) -> int:
    names = [known.value for known in QuerySource]
    if source not in names:
        raise UserError(f"no source {source!r}; use one of {', '.join(names)}")
    return names.index(source)
