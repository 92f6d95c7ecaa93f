"""A vocabulary of 500,000 queries from what packages carry, as a stand-in for a whole Wikipedia.

Words and bigrams: wordsegment's counts of a trillion words of the web, and wordfreq's
words with their frequencies, all scaled to the 4.4 billion words of the English
Wikipedia; the piece of Wikipedia that gensim carries is added to them. WordNet: all lemmas.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import wordfreq
import wordsegment
from rich.console import Console

from pipelines.demo.inputs import fetch_wordnet
from pipelines.session import Session, Stage
from pipelines.vocab.choice import Counts, choose, write
from pipelines.vocab.counts import Floors
from pipelines.vocab.options import VocabOptions
from tests import wikipedia
from vocab import artifact
from vocab.count import Tokenizer
from vocab.dump import Page, read_pages, skip_reason
from vocab.select import frequent_words
from vocab.wikitext import plain_text
from vocab.wordnet import open_wordnet
from wit_builder import schemas, storage
from wit_builder.parts import PartSummary

WORDS = 4_400_000_000
"""Words of the English Wikipedia's articles."""
_WEB_WORDS = 1_024_908_267_229
"""Words that wordsegment's counts were taken from (Norvig 2009, after Brants and Franz 2006)."""


def build_vocabulary(folder: str) -> None:
    """Write the vocabulary as `wit vocab build` would, from counts that are at hand."""
    options = VocabOptions(dumps=(), output=folder, max_bigrams=150_000)
    stage = Stage(
        "vocab", folder, options, {"lists": "wordfreq, wordsegment"}, Session(console=Console(quiet=True))
    )
    stage.begin("from lists")
    words, articles = _words()
    frequent = frequent_words(words, options.min_count)
    floors = Floors(options.min_count // 10, options.min_bigram_count, options.min_pageviews)
    counts = Counts(words, frequent, _bigrams(), schemas.NGRAM.empty_table(), WORDS, floors)
    with tempfile.TemporaryDirectory() as cache:
        wordnet = open_wordnet(fetch_wordnet(), Path(cache))
        facts = write(options, counts, choose(options, counts, wordnet), wordnet)
    stage.finish(PartSummary(articles, articles), [storage.join(folder, artifact.QUERIES)], facts)


def _words() -> tuple[pa.Table, int]:
    wordsegment.load()
    counts = Counter({word: _scaled(number) for word, number in wordsegment.UNIGRAMS.items()})
    for word, frequency in wordfreq.get_frequency_dict("en", wordlist="large").items():
        counts[word] = max(counts[word], round(frequency * WORDS))
    tokenizer, articles = Tokenizer(), 0
    for page in read_pages(str(wikipedia.enwiki_sample())):
        if isinstance(page, Page) and skip_reason(page) is None:
            tokenizer.add(plain_text(page.text))
            articles += 1
    tokens = tokenizer.take()
    counts.update(dict(zip(tokens.words, tokens.counts().tolist(), strict=True)))
    return _table(counts), articles


def _bigrams() -> pa.Table:
    return _table({pair: _scaled(number) for pair, number in wordsegment.BIGRAMS.items() if "<" not in pair})


def _scaled(number: float) -> int:
    return round(number * WORDS / _WEB_WORDS)


def _table(counts: dict[str, int]) -> pa.Table:
    table = pa.table([list(counts.keys()), list(counts.values())], schema=schemas.NGRAM)
    return table.sort_by("text")


if __name__ == "__main__":
    build_vocabulary(sys.argv[1])
