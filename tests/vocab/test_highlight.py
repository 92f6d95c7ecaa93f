import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocab.highlight import find_spans, join_spans
from wit_builder.text import normalize, tokenize

TRICKY = st.sampled_from([*"aAsb' -_,.’ﬁéß°가ᄀᆨㄱㅏﾞ", "e\u0301", "'s", "İ"])
TEXTS = st.lists(TRICKY | st.characters(codec="utf-8"), max_size=12).map("".join)


def marked(text: str, *queries: str) -> list[str]:
    return [text[start:end] for start, end in find_spans(text, queries)]


@pytest.mark.parametrize(
    ("text", "queries", "places"),
    [
        ("A brown Dog, dog!", ["dog", "brown dog"], ["brown Dog", "Dog", "dog"]),
        ("New-York City", ["new york", "york", "york city"], ["New-York", "York", "York City"]),
        ("the dog's s", ["dog", "s"], ["dog", "s"]),
        ("Cafe\u0301 CAFÉ", ["café"], ["Cafe\u0301", "CAFÉ"]),
        ("\ufb01sh & Straße", ["fish", "strasse"], ["\ufb01sh", "Straße"]),
        ("don’t", ["don't"], ["don’t"]),
        ("한글 ㄱㅏ", ["한글", "가"], ["한글", "ㄱㅏ"]),
        ("hotdog", ["dog"], []),
        ("", ["dog"], []),
        ("dog", [], []),
    ],
)
def test_queries_are_found_as_they_are_written(text: str, queries: list[str], places: list[str]) -> None:
    assert marked(text, *queries) == places


@given(TEXTS)
def test_every_word_of_any_text_has_its_place(text: str) -> None:
    words = tokenize(text)
    spans = find_spans(text, words)
    assert len(spans) <= len(words)
    assert {word for word in words if any(word in normalize(text[start:end]) for start, end in spans)} == set(
        words
    )


@pytest.mark.parametrize(
    ("spans", "joined"),
    [
        ([], []),
        ([(0, 3), (4, 7)], [(0, 3), (4, 7)]),
        ([(0, 3), (3, 7)], [(0, 3), (3, 7)]),
        ([(0, 8), (4, 8), (4, 13), (20, 21)], [(0, 13), (20, 21)]),
        ([(0, 8), (1, 2), (7, 9)], [(0, 9)]),
    ],
)
def test_overlapping_spans_become_one(spans: list[tuple[int, int]], joined: list[tuple[int, int]]) -> None:
    assert join_spans(spans) == joined
