from hypothesis import given
from hypothesis import strategies as st

from vocab.count import NgramCounts, count_ngrams, phrases
from wit_builder.text import tokenize

PROSE = st.text(alphabet=st.sampled_from("abé'’ -.,\n\t\u00a0–½ﬁİ_9(\u0345"), max_size=40) | st.text(
    max_size=40
)


def test_only_blanks_hyphens_and_apostrophes_stand_inside_a_phrase() -> None:
    assert phrases("The well-known dogs' tails, (New York).\nCity  of\u00a0Paris – the dog’s home") == [
        ["the", "well", "known", "dogs", "tails"],
        ["new", "york"],
        ["city", "of", "paris"],
        ["the", "dog", "home"],
    ]


@given(PROSE)
def test_phrases_hold_the_words_of_the_tokeniser_in_order(text: str) -> None:
    assert [word for words in phrases(text) for word in words] == tokenize(text)


def test_counts_of_words_and_pairs() -> None:
    counts = count_ngrams(["New York, New York! new", "york"])
    assert counts.unigrams == {"new": 3, "york": 3}
    assert counts.bigrams == {"new york": 2}
    assert counts.total_words == 6


@given(st.lists(PROSE, max_size=6), st.integers(0, 6))
def test_counts_of_parts_add_up(texts: list[str], cut: int) -> None:
    one, other, whole = count_ngrams(texts[:cut]), count_ngrams(texts[cut:]), count_ngrams(texts)
    assert NgramCounts(one.unigrams + other.unigrams, one.bigrams + other.bigrams) == whole
