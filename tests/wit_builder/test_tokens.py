import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wit_builder.text import tokenize
from wit_builder.tokens import Words, split_spaced, split_words, utf8, utf8_of_one

# Where words begin and end, what combines or folds to more, and the odd ones of both.
SIGNS = st.sampled_from("aAzZ09_'s’ʼ＇-,.;:?!` \t\n\r\x00\x7f\u00a0éÉßẞΣσςıİŉﬁﬃ…™½ⅷåÅ한각\u1100\u1161\u11a8")
MARKS = st.sampled_from("\u0301\u0308\u0327\u0345\u0338\u200d\ufe0f\u20e3🐶👍🏽हिन्दी๐中𠀀𝐀𝟗\U000e0100ﷺ\ufffd")
BYTES = [
    b"a",
    b"'s",
    b"\x80",
    b"\xbf",
    b"\xc1\xa1",
    b"\xc3",
    b"\xa9",
    b"\xe0\x81\xa1",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xff",
]
TEXTS = st.lists(st.text(SIGNS | MARKS) | st.text(), max_size=8)


def words_of(words: Words) -> list[list[str]]:
    edges = words.edges.reshape(-1, 2).tolist()
    found = [words.data[start:end].tobytes().decode() for start, end in edges]
    return [found[first:last] for first, last in zip(words.firsts[:-1], words.firsts[1:], strict=True)]


def spacing(text: str) -> str:
    """MetaCLIP's published rule."""
    padded = f" {text} "
    for mark in ",.;:?!`":
        padded = padded.replace(mark, f" {mark} ")
    for blank in "\t\n\r":
        padded = padded.replace(blank, " ")
    return padded


@given(TEXTS)
@example(["s's", "'s", "a's's", "''s", "a''b", "dog's", "'", "don't'", "_'_"])
@example(["x" * 130 + "é", "y" * 64, "é" + "z" * 63])
@example(["0"] * 9)
@example(["a b"] * 9)
@example(["e", "\u0301", "e\u0301", "\u1100", "\u1161"])  # a mark stays with its own text
def test_words_are_those_of_the_tokeniser(texts: list[str]) -> None:
    assert words_of(split_words(*utf8(texts))) == [tokenize(text) for text in texts]


def test_each_character_alone_and_between_others_is_split_like_the_tokeniser_does() -> None:
    characters = [chr(code) for code in (*range(0xD800), *range(0xE000, 0x20100), *range(0xE0000, 0xE01F0))]
    texts = [pattern.format(character) for pattern in ("{}", "a{}b", "É{}'s") for character in characters]
    assert words_of(split_words(*utf8(texts))) == [tokenize(text) for text in texts]


@given(TEXTS)
@example([""])
@example([" ", "a  b", "a,b", "\t,\n", "a, b", ",,"])
@example([","] * 9)
def test_spaced_words_are_what_stands_between_the_spaces_of_metaclips_rule(texts: list[str]) -> None:
    expected = [spacing(text)[1:-1].split(" ") for text in texts]
    assert words_of(split_spaced(*utf8(texts))) == expected


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a b", None, "", "cé"]),
        pa.array(["x", "a b", None, "", "cé", "y"]).slice(1, 4),
        pa.array(["a b", None, "", "cé"], pa.large_string()),
        pa.array(["a b", None, "", "cé"]).dictionary_encode(),
        pa.chunked_array([["a b", None], ["", "cé"]]),
        ["a b", None, "", "cé"],
    ],
)
def test_texts_come_as_any_column_or_list_and_a_missing_one_is_empty(column: pa.Array) -> None:
    assert words_of(split_words(*utf8(column))) == [["a", "b"], [], [], ["cé"]]


@pytest.mark.parametrize("column", [[], pa.array([], pa.string()), pa.array([None], pa.string())])
def test_no_texts_have_no_words(column: pa.Array) -> None:
    assert words_of(split_words(*utf8(column))) == [[]] * len(column)


def test_half_a_surrogate_pair_separates_words() -> None:
    assert words_of(split_words(*utf8(["a\ud800b"]))) == [["a", "b"]]
    assert words_of(split_words(*utf8_of_one("a\ud800b"))) == [["a", "b"]]


@given(st.lists(st.binary(max_size=6) | st.lists(st.sampled_from(BYTES)).map(b"".join)))
@example(
    [b"a\xffb", b"caf\xc3", b"\xe2\x82", b"a\x80\xf0\x9f", b"\xf8\x88\x80\x80\x80x", b"\xbf\xbf", b"\xc1\xa1"]
)
def test_bytes_that_are_no_utf8_separate_words(texts: list[bytes]) -> None:
    words = split_words(*utf8(pa.array(texts, pa.large_binary())))
    assert words_of(words) == [tokenize(text.decode("utf-8", "replace")) for text in texts]
