from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from vocab.count import PHRASE_END, Tokenizer, Tokens, hash_pairs, pairs_of
from vocab.lexicon import Lexicon, renumber, spell_pairs
from wit_builder.text import normalize, tokenize

PROSE = st.text(alphabet=st.sampled_from("abé'’ -.,\n\t\u00a0–½ﬁİ_9(\u0345"), max_size=40) | st.text(
    max_size=40
)
PHRASE_ENDS = r"[^\w' \t\-\u2010\u2011]+"


def phrases(text: str) -> list[list[str]]:
    """The definition: split at every sign but blanks, hyphens and apostrophes, tokenize the rest."""
    pieces = (piece for line in text.split("\n") for piece in regex.split(PHRASE_ENDS, normalize(line)))
    return [words for words in map(tokenize, pieces) if words]


def phrases_of(tokens: Tokens) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for number in tokens.numbers.tolist():
        if number == PHRASE_END:
            found.append([])
        else:
            found[-1].append(tokens.words[number - 1])
    return [words for words in found if words]


def tokens_of(*texts: str) -> Tokens:
    tokenizer = Tokenizer()
    for text in texts:
        tokenizer.add(text)
    return tokenizer.take()


def test_only_blanks_hyphens_and_apostrophes_stand_inside_a_phrase() -> None:
    text = "The well-known dogs' tails, (New York).\nCity  of\u00a0Paris – the dog’s home"
    assert phrases_of(tokens_of(text)) == [
        ["the", "well", "known", "dogs", "tails"],
        ["new", "york"],
        ["city", "of", "paris"],
        ["the", "dog", "home"],
    ]


@given(st.lists(PROSE, max_size=4))
def test_numbers_spell_the_phrases_of_the_tokeniser(texts: list[str]) -> None:
    assert phrases_of(tokens_of(*texts)) == [words for text in texts for words in phrases(text)]


@given(st.lists(PROSE, max_size=4))
def test_words_are_counted(texts: list[str]) -> None:
    tokens = tokens_of(*texts)
    expected = Counter(word for text in texts for words in phrases(text) for word in words)
    assert dict(zip(tokens.words, tokens.counts().tolist(), strict=True)) == expected


def test_taking_begins_anew() -> None:
    tokenizer = Tokenizer()
    tokenizer.add("dog")
    assert len(tokenizer) > 0
    tokenizer.take()
    assert len(tokenizer) == 0
    assert tokenizer.take().words == []


@given(st.lists(PROSE, max_size=4), st.sets(st.sampled_from(["a", "b", "ab", "é", "9"])))
def test_pairs_are_the_neighbours_in_a_phrase_that_the_lexicon_knows(
    texts: list[str], known: set[str]
) -> None:
    tokens = tokens_of(*texts)
    lexicon = pa.array(sorted(known), pa.string())
    numbers = renumber(tokens.numbers, pa.array(tokens.words, pa.string()), lexicon)
    found = Counter(spell_pairs(pairs_of(numbers), lexicon).to_pylist())
    neighbours = (pair for text in texts for words in phrases(text) for pair in pairwise(words))
    assert found == Counter(" ".join(pair) for pair in neighbours if known.issuperset(pair))


def test_pairs_fall_all_over_the_table() -> None:
    pairs = np.arange(1 << 16, dtype=np.uint64) << np.uint64(32) | np.uint64(7)
    places = hash_pairs(pairs, 10)
    assert places.min() >= 0
    assert np.bincount(places, minlength=1 << 10).max() < 2 * (1 << 6)


@pytest.mark.parametrize("words", [["a", "dog"], []])
def test_a_lexicon_is_mapped_from_its_file(
    words: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    saved = Lexicon.save(
        pa.array(words, pa.string()), str(tmp_path_factory.mktemp("lexicon") / "words.arrow")
    )
    assert saved.open().to_pylist() == words
