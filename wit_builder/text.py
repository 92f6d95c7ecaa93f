"""One normalisation and one tokeniser, shared by the vocabulary and the matcher.

The rules:

* NFKC, then case folding.
* A word is a run of letters, combining marks, digits and underscores.
* An apostrophe between two letters is part of the word ("don't"); the typographic
  one counts as the plain one; a possessive "'s" at the end is cut ("dog's" is "dog").
* Everything else separates, the hyphen too: "well-known" is the two words "well known",
  so that both spellings meet.
"""

import unicodedata

import regex

_WORD = regex.compile(r"[\w]+(?:'[\w]+)*")
_APOSTROPHES = str.maketrans({"\u2019": "'", "\u02bc": "'", "\uff07": "'"})


def normalize(text: str) -> str:
    """Fold a text for comparison: NFKC, case folding, plain apostrophes."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", folded).translate(_APOSTROPHES)


def tokenize(text: str) -> list[str]:
    """Split a text into its normalised words, by the rules of this module."""
    return [_without_possessive(word) for word in _WORD.findall(normalize(text))]


def _without_possessive(word: str) -> str:
    while word.endswith("'s") and len(word) > 2:
        word = word[:-2]
    return word


def query_key(query: str) -> str:
    """Give the form in which a query is matched: its words with one space between.

    Empty if the query has no word ("!!").
    """
    return " ".join(tokenize(query))
