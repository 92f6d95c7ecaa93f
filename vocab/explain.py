"""Why a text is a query of a vocabulary, or which threshold it missed."""

from collections.abc import Mapping, Sequence
from typing import Any

from vocab.making import IMPORTED, Making
from vocab.ontology import Synset
from vocab.select import is_word, pmi
from wit_builder.records import Query, QuerySource
from wit_builder.text import query_key

Reasons = dict[str, str]
"""What makes queries of texts, and why it did or did not."""


def why_in(query: Query, options: Mapping[str, Any]) -> Reasons:
    """Say of each source of a query why it gave it.

    Args:
        query: of the vocabulary.
        options: of the build; empty if they are not known.

    Returns:
        By source.
    """
    if not query.sources:
        return {IMPORTED: "in the list that was imported"}
    return {source.value: _why_in(query, source, options) for source in query.sources}


def _why_in(query: Query, source: QuerySource, options: Mapping[str, Any]) -> str:
    match source:
        case QuerySource.UNIGRAM if not is_word(query.query):
            return "one of the numbers 0 to 99: --numbers"
        case QuerySource.UNIGRAM:
            return f"occurs {_times(query.count)}{_option(options, 'min_count')}"
        case QuerySource.BIGRAM:
            bits = "unknown" if query.pmi is None else f"{query.pmi:.2f} bits"
            return f"occurs {_times(query.count)}, PMI {bits}{_option(options, 'max_bigrams')}"
        case QuerySource.TITLE:
            return f"viewed {_times(query.pageviews)}{_option(options, 'min_pageviews')}"
        case QuerySource.WORDNET_SYNSET:
            return "the first word of a synset"
        case QuerySource.WORDNET_LEMMA:
            return "a word of WordNet"


def _times(number: int | None) -> str:
    return "an unknown number of times" if number is None else f"{number:,} times"


def _option(options: Mapping[str, Any], name: str) -> str:
    """Tell what an option was, if that is known."""
    return f"; --{name.replace('_', '-')} is {options[name]:,}" if name in options else ""


def why_not(key: str, making: Making | None, synsets: Sequence[Synset]) -> Reasons:
    """Say of everything that could have made a query of a text why it did not.

    Args:
        key: that is no query, in `query_key` form.
        making: of the vocabulary; None if it was imported.
        synsets: what WordNet says of it.

    Returns:
        By source; WordNet's two are one.

    Raises:
        UserError: the counts are missing or damaged.
    """
    if making is None:
        return {IMPORTED: "not in the list that was imported"}
    words = key.split(" ")
    reasons: Reasons = {}
    if len(words) == 1:
        reasons["unigram"] = _why_no_word(key, making)
    elif len(words) == 2:
        reasons["bigram"] = _why_no_bigram(words[0], words[1], making)
    else:
        reasons["bigram"] = f"has {len(words)} words, not two: only a title or WordNet could give it"
    reasons["title"] = _why_no_title(key, making)
    reasons["wordnet"] = _why_not_wordnet(key, making, synsets)
    return reasons


def _why_no_word(word: str, making: Making) -> str:
    if not is_word(word):
        return "has no letter (--numbers adds 0 to 99)"
    count, limit = making.occurrences(word), _option(making.options, "min_count")
    if count is None:
        return f"occurs fewer than {_times(making.facts['word_floor'])}{limit}"
    if count < making.options["min_count"]:
        return f"occurs {_times(count)}{limit}"
    return f"occurs {_times(count)}, {_cut(making)}"


def _why_no_bigram(first: str, second: str, making: Making) -> str:
    options, facts = making.options, making.facts
    counts = [making.occurrences(word) or 0 for word in (first, second)]
    for word, count in zip((first, second), counts, strict=True):
        if count < options["min_count"] or not is_word(word):
            return f"its word {word!r} {_why_no_word(word, making)}"
    pair = making.occurrences(f"{first} {second}")
    if not options["max_bigrams"]:
        return "no bigram was taken: --max-bigrams is 0"
    if pair is None:
        return f"occurs fewer than {_times(facts['bigram_floor'])}{_option(options, 'min_bigram_count')}"
    score = pmi(pair, counts[0], counts[1], facts["words"])
    told = f"occurs {_times(pair)}, PMI {score:.2f} bits"
    if options["min_pmi"] is not None and score < options["min_pmi"]:
        return f"{told}{_option(options, 'min_pmi')}"
    if facts["lowest_pmi"] is not None and score <= facts["lowest_pmi"]:
        return f"{told}, the lowest kept is {facts['lowest_pmi']:.2f}{_option(options, 'max_bigrams')}"
    return f"{told}, {_cut(making)}"


def _why_no_title(key: str, making: Making) -> str:
    if not making.has_views():
        return "no page views were counted: --pageviews"
    views, limit = making.views(key), _option(making.options, "min_pageviews")
    if views is None:
        return f"viewed fewer than {_times(making.facts['views_floor'])}{limit}"
    if views < making.options["min_pageviews"]:
        return f"viewed {_times(views)}{limit}"
    return f"viewed {_times(views)}, {_cut(making)}"


def _why_not_wordnet(key: str, making: Making, synsets: Sequence[Synset]) -> str:
    mode = making.options["wordnet"]
    if mode == "none":
        return "WordNet was left out: --wordnet is none"
    if not synsets:
        return "WordNet does not have it"
    if mode == "synsets" and all(query_key(synset.lemmas[0]) != key for synset in synsets):
        return f"WordNet has it only as another word for {synsets[0].lemmas[0]!r}: --wordnet is synsets"
    return f"WordNet has it, {_cut(making)}"


def _cut(making: Making) -> str:
    """Tell that a text would be a query, were there no limit to them."""
    others = making.facts["cut_by_max_queries"] - 1
    return f"but was cut with {others:,} others{_option(making.options, 'max_queries')}"
