"""From counts to the vocabulary's files."""

import math
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipelines.vocab.counts import Floors, read_aliases
from pipelines.vocab.options import VocabOptions
from vocab.entry import Entry
from vocab.merge import merge
from vocab.pageviews import plain_title, select_titles
from vocab.select import select_bigrams, select_numbers, select_unigrams
from vocab.vocabulary import write_vocabulary
from vocab.wordnet import lemma_queries
from wit_builder import schemas, storage
from wit_builder.parts import PartSummary, part_path, write_table
from wit_builder.records import Query
from wit_builder.text import query_key


@dataclass(frozen=True)
class Counts:
    """What was counted, in `schemas.NGRAM`, sorted by text."""

    words: pa.Table
    frequent: pa.Table
    """The words that are queries."""
    bigrams: pa.Table
    views: pa.Table
    total: int
    """Occurrences of all words."""
    floors: Floors
    tokens: tuple[str, ...] = ()
    """Parts that hold all words, and redirects."""


def choose(options: VocabOptions, counts: Counts, wordnet: Any) -> list[Entry]:
    """Choose words, bigrams, titles and WordNet's lemmas.

    Args:
        options: of the build.
        counts: what was counted.
        wordnet: what `vocab.wordnet.open_wordnet` gave, or None.
    """
    bigrams = select_bigrams(
        counts.bigrams,
        counts.frequent,
        counts.total,
        min_count=options.min_bigram_count,
        min_pmi=-math.inf if options.min_pmi is None else options.min_pmi,
        max_bigrams=options.max_bigrams,
    )
    numbers = select_numbers(counts.words) if options.numbers else []
    aliases = read_aliases(counts.tokens) if options.redirect_aliases else ()
    titles = select_titles(counts.views, options.min_pageviews, aliases)
    lemmas = lemma_queries(wordnet, options.wordnet) if wordnet is not None else []
    return [*select_unigrams(counts.frequent), *numbers, *bigrams, *titles, *lemmas]


def write(options: VocabOptions, counts: Counts, entries: list[Entry], wordnet: Any) -> dict[str, Any]:
    """Merge the entries, write the vocabulary and, beside it, the counts that decided.

    Returns:
        Facts for the manifest.

    Raises:
        UserError: no query is left.
    """
    queries = merge(entries, options.max_queries)
    _write_counts(options.output, "frequent", pa.concat_tables([counts.words, counts.bigrams]))
    _write_counts(options.output, "views", _by_plain_title(counts.views))
    return {
        "queries": len(queries),
        "vocabulary_digest": write_vocabulary(queries, options.output, wordnet),
        "words": counts.total,
        "word_floor": counts.floors.word,
        "bigram_floor": counts.floors.bigram,
        "views_floor": counts.floors.views,
        "lowest_pmi": min((entry.pmi for entry in entries if entry.pmi is not None), default=None),
        "cut_by_max_queries": _distinct(entries) - len(queries),
        **_by_source(queries),
    }


def _write_counts(output: str, name: str, counts: pa.Table) -> None:
    summary = PartSummary(counts.num_rows, counts.num_rows)
    path = part_path(storage.join(output, name), 0, 1)
    write_table(path, counts.sort_by("text"), summary)


def _by_plain_title(views: pa.Table) -> pa.Table:
    keys = [query_key(plain_title(title)) for title in views.column("text").to_pylist()]
    table = pa.table([keys, views.column("count")], schema=schemas.NGRAM)
    best = table.group_by("text").aggregate([("count", "max")])
    return best.select(["text", "count_max"]).rename_columns(schemas.NGRAM.names).cast(schemas.NGRAM)


def _distinct(entries: list[Entry]) -> int:
    return len({query_key(entry.text) for entry in entries} - {""})


def _by_source(queries: list[Query]) -> dict[str, int]:
    sources = [source.value for query in queries for source in query.sources]
    return {f"from_{source}": sources.count(source) for source in sorted(set(sources))}
