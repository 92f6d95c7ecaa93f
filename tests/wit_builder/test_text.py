import pytest
from hypothesis import given
from hypothesis import strategies as st

from wit_builder.text import normalize, query_key, tokenize

SPEC = [
    ("The Dog", ["the", "dog"]),
    ("well-known  fact", ["well", "known", "fact"]),
    ("don\u2019t rock'n'roll", ["don't", "rock'n'roll"]),
    ("the dog's tail", ["the", "dog", "tail"]),
    ("McDonald\u2019s", ["mcdonald"]),
    ("dog's's", ["dog"]),
    ("\uff21\uff22\uff23 \ufb01sh", ["abc", "fish"]),
    ("STRASSE Straße", ["strasse", "strasse"]),
    ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
    ("cafe\u0301 café", ["café", "café"]),
    ("'quoted' (dog), [cat]; 3.5", ["quoted", "dog", "cat", "3", "5"]),
    ("!!! -- …", []),
    ("🐶🐱", []),
    ("", []),
]


@pytest.mark.parametrize(("text", "words"), SPEC)
def test_words_of(text: str, words: list[str]) -> None:
    assert tokenize(text) == words


@given(st.text())
def test_normalizing_twice_changes_nothing(text: str) -> None:
    assert normalize(normalize(text)) == normalize(text)


@given(st.text())
def test_a_query_key_is_its_own_key(text: str) -> None:
    key = query_key(text)
    assert query_key(key) == key
