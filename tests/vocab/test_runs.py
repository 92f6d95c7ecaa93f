import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from vocab.runs import hash_runs
from wit_builder.hashing import mix

RUNS = st.lists(st.lists(st.text("abé", min_size=1, max_size=3), min_size=1, max_size=6), max_size=8)


def _by_definition(words: list[str]) -> int:
    state = 0
    for word in words:
        state = (state * 0x9FB21C651E98DF25 + xxh3_64_intdigest(word.encode())) % 2**64
    return int(mix(np.array([state], np.uint64), len(words))[0])


@given(RUNS)
def test_hashes_follow_the_definition(runs: list[list[str]]) -> None:
    assert hash_runs(runs).tolist() == [_by_definition(words) for words in runs]


def test_hashes_do_not_change_between_versions() -> None:
    assert [f"{value:016x}" for value in hash_runs([["dog"], ["new", "york"], ["york", "new"]])] == [
        "a49c0e15be2e4482",
        "4b5c4df6578975f3",
        "bc66464a976ba854",
    ]
