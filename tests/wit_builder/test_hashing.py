import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wit_builder.hashing import hash_text, mix, uid_halves, uid_of, uid_words


def test_uid_is_the_first_128_bits_of_sha256_of_url_nul_text() -> None:
    assert uid_of("http://a/b.jpg", "a dog") == hashlib.sha256(b"http://a/b.jpg\0a dog").hexdigest()[:32]


@given(st.lists(st.tuples(st.text(), st.text()), max_size=20), st.integers(0, 3))
def test_uid_halves_are_the_two_halves_as_integers(pairs: list[tuple[str, str]], skipped: int) -> None:
    uids = [uid_of(url, text) for url, text in pairs]
    halves = uid_halves(pa.array(uids, pa.string()).slice(skipped))
    assert halves.tolist() == [[int(uid[:16], 16), int(uid[16:], 16)] for uid in uids[skipped:]]
    assert uid_words(uids).tolist() == [int(uid[:16], 16) for uid in uids]


def test_a_uid_of_another_length_is_refused() -> None:
    with pytest.raises(pa.ArrowInvalid):
        uid_halves(["abc"])


@given(st.lists(st.integers(0, 2**64 - 1), unique=True), st.integers(0, 2**64 - 1))
def test_mix_is_splitmix64_and_keeps_values_apart(values: list[int], seed: int) -> None:
    def splitmix(z: int) -> int:
        z = (z + 0x9E3779B97F4A7C15) % 2**64
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
        return z ^ (z >> 31)

    mixed = mix(np.array(values, np.uint64), seed).tolist()
    assert mixed == [splitmix(value ^ splitmix(seed)) for value in values]
    assert len(set(mixed)) == len(values)


def test_hash_text_depends_on_text_and_seed_only() -> None:
    assert len({hash_text("a", seed) for seed in range(100)}) == 100
