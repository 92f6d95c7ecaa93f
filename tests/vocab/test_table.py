from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from hypothesis import example, given
from hypothesis import strategies as st

from vocab.table import add_queries, add_words, find_queries
from wit_builder.tokens import SPARE

# Words around the seven bytes that are their own key, and around whole blocks of eight.
LENGTHS = st.sampled_from([0, 1, 6, 7, 8, 9, 15, 16, 17, 24, 40])
LETTERS, LASTS = st.sampled_from([b"\0", b"a", b"o"]), st.sampled_from([b"", b"b", b"\0"])
WORDS = st.builds(lambda letter, size, last: letter * size + last, LETTERS, LENGTHS, LASTS)
RUNS = st.lists(WORDS, min_size=1, max_size=4).map(tuple)


def find(queries: list[tuple[bytes, ...]], texts: list[list[bytes]], spare: int) -> list[list[int]]:
    """Build tables with so many places to spare, and look texts up."""
    words = sorted({word for query in queries for word in query})
    table, slots = np.zeros(2 * (len(words) + spare), np.uint64), np.empty(len(words), np.uint32)
    add_words(*_laid_out(words), table, slots)
    slot_of = dict(zip(words, slots, strict=True))
    flat = np.array([slot_of[word] for query in queries for word in query], np.uint32)
    rows = len(flat) - len(queries) + spare
    keys, values = np.zeros(rows, np.uint64), np.zeros(rows, np.uint32)
    add_queries(flat, _firsts(queries), table, keys, values)
    data, edges = _laid_out([word for text in texts for word in text])
    longest = max(map(len, queries))
    offsets, ids = find_queries(data, edges, _firsts(texts), table, keys, values, longest)
    return [ids[start:end].tolist() for start, end in pairwise(offsets)]


def _laid_out(words: list[bytes]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    ends = np.cumsum([0, *map(len, words)])
    return np.frombuffer(b"".join(words) + bytes(SPARE), np.uint8), np.repeat(ends, 2)[1:-1]


def _firsts(lists: Sequence[Sequence[bytes]]) -> npt.NDArray[np.int64]:
    return np.cumsum([0, *map(len, lists)])


def naive(queries: list[tuple[bytes, ...]], text: list[bytes]) -> list[int]:
    runs = {tuple(text[i:j]) for i in range(len(text)) for j in range(i + 1, len(text) + 1)}
    return [query_id for query_id, query in enumerate(queries) if query in runs]


@given(
    st.lists(RUNS, min_size=1, max_size=20, unique=True),
    st.lists(st.lists(WORDS, max_size=12), max_size=6),
    st.integers(1, 9),
)
@example([(b"",)], [[b""], [], [b"a"]], 1)
@example([(b"a",), (b"a\0",)], [[b"a\0"], [b"a"]], 1)
@example([(b"a",) * 4], [[b"a"] * 3, [b"a"] * 4, [b"a"]], 1)
def test_runs_are_found_as_a_plain_search_finds_them(
    queries: list[tuple[bytes, ...]], texts: list[list[bytes]], spare: int
) -> None:
    assert find(queries, texts, spare) == [naive(queries, text) for text in texts]


def test_many_ids_of_a_text_are_sorted_and_unique() -> None:
    words = [b"%d" % number for number in range(1_000)]
    runs = [*[(word,) for word in words], *pairwise(words)]
    [found] = find(runs, [words[::-1] + words + words], 1_000)
    assert found == list(range(len(runs)))
