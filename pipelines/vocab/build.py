"""Wikipedia dumps, page views and WordNet -> the vocabulary: the list of queries."""

import math
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.cli import main_of
from pipelines.options import option, require, require_one_of
from pipelines.session import Session, Stage
from pipelines.vocab.counts import Floors, count_bigrams, count_views, count_words, dump_items, read_aliases
from vocab import artifact
from vocab.entry import Entry
from vocab.merge import MAX_QUERIES, merge
from vocab.pageviews import MIN_VIEWS, plain_title, select_titles
from vocab.select import MIN_COUNT, frequent_words, select_bigrams, select_numbers, select_unigrams
from vocab.vocabulary import write_vocabulary
from vocab.wordnet import find_wordnet, lemma_queries, open_wordnet
from wit_builder import schemas, storage
from wit_builder.errors import UserError
from wit_builder.manifest import fingerprint_files, sum_footers
from wit_builder.parts import PartSummary, part_path, write_table
from wit_builder.records import Query
from wit_builder.text import query_key
from wit_builder.transforms.parts import WorkItem
from wit_builder.transforms.vocab import WORDS

MAX_BIGRAMS = 100_000
_WORDNET_MODES = ("lemmas", "synsets", "none")
_FLOOR_SHARE = 10
"""Words and titles are written down from a tenth of what makes them queries."""


@dataclass(frozen=True, kw_only=True)
class VocabOptions:
    """Options of `wit vocab build`."""

    dumps: tuple[str, ...] = option(
        "Wikipedia pages-articles XML dump (.bz2, .gz, .zst, .xml). May be repeated.", path=True
    )
    output: str = option("Folder for the vocabulary.", path=True)
    min_count: int = option("A word is a query from so many occurrences.", MIN_COUNT)
    min_bigram_count: int = option("A bigram is considered from so many occurrences.", MIN_COUNT)
    max_bigrams: int = option("So many bigrams of the highest pointwise mutual information.", MAX_BIGRAMS)
    min_pmi: float | None = option("A bigram is considered from so many bits of it.", None)
    numbers: bool = option("Add the numbers 0 to 99.", False)
    wordnet: str = option("lemmas (all synonyms), synsets (first lemma of each) or none.", "lemmas")
    wordnet_folder: str | None = option(
        "Folder of data.noun (default: where NLTK or Debian keep it).", None, path=True
    )
    pageviews: tuple[str, ...] = option(
        "Wikimedia page view files: hourly pageviews or pagecounts, or pageview_complete.", (), path=True
    )
    min_pageviews: int = option("A title is a query from so many views in them.", MIN_VIEWS)
    redirect_aliases: bool = option("Add the titles that lead to such a title.", False)
    max_queries: int = option("Size of the vocabulary.", MAX_QUERIES)

    def __post_init__(self) -> None:
        require_one_of("wordnet", self.wordnet, _WORDNET_MODES)
        for name in ("min_count", "min_bigram_count", "min_pageviews", "max_queries"):
            require(name, getattr(self, name), 1)
        require("max_bigrams", self.max_bigrams, 0)
        if self.redirect_aliases:
            require("number of pageviews files, which redirect_aliases needs,", len(self.pageviews), 1)


def run(options: VocabOptions, session: Session) -> dict[str, Any]:
    """Count the dumps, choose words, bigrams and titles, add WordNet, write the vocabulary.

    Raises:
        UserError: an input is missing or of another kind, WordNet is not found, or no query is left.
    """
    dumps, pageviews = _expand(options.dumps), _expand(options.pageviews)
    wordnet = None if options.wordnet == "none" else find_wordnet(options.wordnet_folder)
    inputs = {"dumps": fingerprint_files(dumps), "pageviews": fingerprint_files(pageviews)}
    if wordnet is not None:
        inputs["wordnet"] = fingerprint_files(map(str, sorted(wordnet.glob("data.*")) or [wordnet]))
    stage = Stage("vocab", options.output, options, inputs, session)
    items = dump_items(dumps, storage.join(options.output, "work", "tokens"))
    if not stage.begin(f"{len(dumps)} dumps in {len(items)} slices, {len(pageviews)} page view files"):
        return stage.manifest()
    counts = _count(stage, options, items, pageviews)
    with session.progress("Choose queries", None):
        entries = [*_counted_entries(options, counts), *_wordnet_entries(options, wordnet)]
        queries = merge(entries, options.max_queries)
        _write_counts(options.output, "frequent", pa.concat_tables([counts.words, counts.bigrams]))
        _write_counts(options.output, "views", _by_plain_title(counts.views))
        digest = write_vocabulary(queries, options.output)
    facts = {
        "queries": len(queries),
        "vocabulary_digest": digest,
        "words": counts.total,
        "word_floor": counts.floors.word,
        "bigram_floor": counts.floors.bigram,
        "views_floor": counts.floors.views,
        "lowest_pmi": min((entry.pmi for entry in entries if entry.pmi is not None), default=None),
        "cut_by_max_queries": _distinct(entries) - len(queries),
        **_by_source(queries),
    }
    return stage.finish(counts.summary, [storage.join(options.output, artifact.QUERIES)], facts)


@dataclass(frozen=True)
class _Counts:
    """What was counted, in `schemas.NGRAM`, sorted by text."""

    words: pa.Table
    frequent: pa.Table
    """The words that are queries."""
    bigrams: pa.Table
    views: pa.Table
    tokens: list[str]
    """Parts that hold all words, and redirects."""
    total: int
    """Occurrences of all words."""
    floors: Floors
    summary: PartSummary


def _count(stage: Stage, options: VocabOptions, items: list[WorkItem], pageviews: list[str]) -> _Counts:
    floors = Floors(
        word=math.ceil(options.min_count / _FLOOR_SHARE),
        bigram=options.min_bigram_count,
        views=math.ceil(options.min_pageviews / _FLOOR_SHARE),
    )
    words = count_words(stage, items, options.redirect_aliases, floors)
    tokens = [item.output for item in items]
    summary = sum_footers(tokens)
    if not summary.rows_out:
        reasons = ", ".join(f"{reason} {rows:,}" for reason, rows in summary.dropped.items())
        named = items[0].inputs[0] + (" and the others" if len(items) > 1 else "")
        raise UserError(f"no article could be read from {named} ({reasons or 'no page'}); download it again")
    total = summary.counters.get(WORDS, 0)
    frequent = frequent_words(words, options.min_count)
    bigrams = schemas.NGRAM.empty_table()
    if options.max_bigrams and frequent.num_rows:
        bigrams = count_bigrams(stage, tokens, frequent, total, floors)
    views = count_views(stage, pageviews, floors)
    return _Counts(words, frequent, bigrams, views, tokens, total, floors, summary)


def _counted_entries(options: VocabOptions, counts: _Counts) -> list[Entry]:
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
    return [*select_unigrams(counts.frequent), *numbers, *bigrams, *titles]


def _wordnet_entries(options: VocabOptions, wordnet: Path | None) -> list[Entry]:
    if wordnet is None:
        return []
    with tempfile.TemporaryDirectory() as cache:
        return lemma_queries(open_wordnet(wordnet, Path(cache)), options.wordnet)


def _by_plain_title(views: pa.Table) -> pa.Table:
    keys = [query_key(plain_title(title)) for title in views.column("text").to_pylist()]
    table = pa.table([keys, views.column("count")], schema=schemas.NGRAM)
    best = table.group_by("text").aggregate([("count", "max")])
    return best.select(["text", "count_max"]).rename_columns(schemas.NGRAM.names).cast(schemas.NGRAM)


def _write_counts(output: str, name: str, counts: pa.Table) -> None:
    summary = PartSummary(counts.num_rows, counts.num_rows)
    path = part_path(storage.join(output, name), 0, 1)
    write_table(path, counts.sort_by("text"), summary)


def _expand(names: Iterable[str]) -> list[str]:
    return [path for name in names for path in storage.expand(name)]


def _distinct(entries: list[Entry]) -> int:
    return len({query_key(entry.text) for entry in entries} - {""})


def _by_source(queries: list[Query]) -> dict[str, int]:
    sources = [source.value for query in queries for source in query.sources]
    return {f"from_{source}": sources.count(source) for source in sorted(set(sources))}


if __name__ == "__main__":
    main_of("pipelines.vocab.build")
