"""Texts matched per second: our index against pyahocorasick, MetaCLIP's way, on equal matches.

Queries: WordNet's lemmas. Texts: WordNet's own glosses and examples, which are English
sentences of caption length. The automaton is fed the normalised words with a space on
either side, so that both find the same queries; its time includes that, as ours does.
"""

import tempfile
from itertools import pairwise
from pathlib import Path

import ahocorasick

from pipelines.demo.inputs import fetch_wordnet
from tests.bench.table import compare, rate, report
from vocab.lookup import QueryIndex
from vocab.merge import merge
from vocab.vocabulary import write_vocabulary
from vocab.wordnet import lemma_queries, open_wordnet
from wit_builder.match import QueryMatcher
from wit_builder.text import tokenize

TEXTS = 20_000
BATCH = 1_000


def main() -> None:
    """Build both, compare their matches, time them."""
    with tempfile.TemporaryDirectory() as folder:
        wordnet = open_wordnet(fetch_wordnet(), Path(folder))
        queries = merge(lemma_queries(wordnet, "lemmas"))
        texts = [synset.definition() for synset in wordnet.all_synsets("n")][:TEXTS]
        write_vocabulary(queries, folder)
        matcher = QueryMatcher(QueryIndex.open(folder))
        automaton = ahocorasick.Automaton()
        for query in queries:
            automaton.add_word(f" {query.query} ", query.query_id)
        automaton.make_automaton()

        def ours() -> list[list[int]]:
            found = []
            for start in range(0, len(texts), BATCH):
                offsets, ids = matcher.match_texts(texts[start : start + BATCH])
                found += [ids[first:last].tolist() for first, last in pairwise(offsets)]
            return found

        def peer() -> list[list[int]]:
            padded = (f" {' '.join(tokenize(text))} " for text in texts)
            return [sorted({query for _, query in automaton.iter(text)}) for text in padded]

        assert ours() == peer(), "the two find different queries"
        rows = [compare("match", "texts/s", rate(ours, TEXTS), rate(peer, TEXTS), "pyahocorasick")]
        report(f"{len(queries):,} queries, {TEXTS:,} texts", rows)


if __name__ == "__main__":
    main()
