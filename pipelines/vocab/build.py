"""Wikipedia dumps and WordNet -> the vocabulary: the list of queries."""

import gzip
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam

from pipelines.cli import main_of
from pipelines.options import option, require, require_one_of
from pipelines.session import Session, Stage, Watch
from vocab import artifact
from vocab.entry import Entry
from vocab.merge import MAX_QUERIES, merge
from vocab.pageviews import MIN_VIEWS, count_views, popular_titles
from vocab.select import MIN_COUNT, select_bigrams, select_unigrams
from vocab.vocabulary import write_vocabulary
from vocab.wordnet import find_wordnet, lemma_queries, open_wordnet
from wit_builder import storage
from wit_builder.manifest import fingerprint_files, sum_footers
from wit_builder.parts import part_path, read_table
from wit_builder.records import Query
from wit_builder.transforms.parts import WorkItem
from wit_builder.transforms.vocab import WORDS, CountDump, SumNgrams

BUCKETS = 8
"""Frequent n-grams come in so many parts."""

_WORDNET_MODES = ("lemmas", "synsets", "none")


@dataclass(frozen=True, kw_only=True)
class VocabOptions:
    """Options of `wit vocab build`."""

    dumps: tuple[str, ...] = option(
        "Wikipedia pages-articles XML dump (.bz2, .gz). May be repeated.", path=True
    )
    output: str = option("Folder for the vocabulary.", path=True)
    min_count: int = option("A word is a query from so many occurrences.", MIN_COUNT)
    min_bigram_count: int = option("A bigram is considered from so many occurrences.", MIN_COUNT)
    max_bigrams: int = option("So many bigrams of the highest pointwise mutual information.", 100_000)
    wordnet: str = option("lemmas (all synonyms), synsets (first lemma of each) or none.", "lemmas")
    wordnet_folder: str | None = option(
        "Folder of data.noun (default: where NLTK or Debian keep it).", None, path=True
    )
    pageviews: tuple[str, ...] = option("Wikimedia hourly page view files (.gz).", (), path=True)
    min_pageviews: int = option("A title is a query from so many views in them.", MIN_VIEWS)
    max_queries: int = option("Size of the vocabulary.", MAX_QUERIES)

    def __post_init__(self) -> None:
        require_one_of("wordnet", self.wordnet, _WORDNET_MODES)
        for name in ("min_count", "min_bigram_count", "min_pageviews", "max_queries"):
            require(name, getattr(self, name), 1)


def run(options: VocabOptions, session: Session) -> dict[str, Any]:
    """Count the dumps, choose words and bigrams, add WordNet, write the vocabulary.

    Raises:
        UserError: a dump is missing or damaged, WordNet is not found, or no query is left.
    """
    dumps = _expand(options.dumps)
    wordnet = None if options.wordnet == "none" else find_wordnet(options.wordnet_folder)
    inputs = {"dumps": fingerprint_files(dumps), "pageviews": fingerprint_files(_expand(options.pageviews))}
    if wordnet is not None:
        inputs["wordnet"] = fingerprint_files(map(str, sorted(wordnet.glob("data.*")) or [wordnet]))
    stage = Stage("vocab", options.output, options, inputs, session)
    if not stage.begin(f"{len(dumps)} dumps"):
        return stage.manifest()
    counted = _count(stage, options, dumps)
    summary = sum_footers(counted)
    frequent = _sum(stage, options, counted)
    with session.progress("Choose queries", None):
        queries = _choose(options, frequent, summary.counters.get(WORDS, 0), wordnet)
        digest = write_vocabulary(queries, options.output)
    facts = {"queries": len(queries), "vocabulary_digest": digest, **_by_source(queries)}
    return stage.finish(summary, [storage.join(options.output, artifact.QUERIES)], facts)


def _count(stage: Stage, options: VocabOptions, dumps: list[str]) -> list[str]:
    folder = storage.join(options.output, "ngrams")
    names = [part_path(folder, index, len(dumps)) for index in range(len(dumps))]
    items = [WorkItem((dump,), name) for dump, name in zip(dumps, names, strict=True)]
    stage.build_parts("Count words and bigrams", CountDump(), items)
    return names


def _sum(stage: Stage, options: VocabOptions, counted: list[str]) -> list[str]:
    folder = storage.join(options.output, "frequent")
    names = [part_path(folder, index, BUCKETS) for index in range(BUCKETS)]
    missing = frozenset(index for index, name in enumerate(names) if not storage.exists(name))
    least = min(options.min_count, options.min_bigram_count)
    if missing:

        def build(pipeline: beam.Pipeline) -> None:
            pipeline | "Counts" >> beam.Create(counted) | SumNgrams(folder, BUCKETS, least, missing)

        stage.session.run("Add up counts", build, len(counted), Watch(folder, BUCKETS))
    return names


def _choose(options: VocabOptions, frequent: list[str], total: int, wordnet: Path | None) -> list[Query]:
    counts = dict(_rows(frequent))
    words = {text: count for text, count in counts.items() if " " not in text}
    bigrams = {text: count for text, count in counts.items() if " " in text}
    entries = select_unigrams(words, options.min_count)
    kept = {entry.text: words[entry.text] for entry in entries}
    entries += select_bigrams(
        bigrams, kept, total, min_count=options.min_bigram_count, max_bigrams=options.max_bigrams
    )
    entries += _titles(options)
    return merge([*entries, *_wordnet_entries(options, wordnet)], options.max_queries)


def _titles(options: VocabOptions) -> list[Entry]:
    views = Counter[str]()
    for path in _expand(options.pageviews):
        with storage.open_read(path) as raw, gzip.open(raw) if path.endswith(".gz") else raw as lines:
            views += count_views(line.decode("utf-8", "replace") for line in lines)
    return popular_titles(views, options.min_pageviews)


def _expand(names: Iterable[str]) -> list[str]:
    return [path for name in names for path in storage.expand(name)]


def _rows(parts: Iterable[str]) -> Iterator[tuple[str, int]]:
    for part in parts:
        table = read_table(part)
        yield from zip(table.column("text").to_pylist(), table.column("count").to_pylist(), strict=True)


def _wordnet_entries(options: VocabOptions, wordnet: Path | None) -> list[Entry]:
    if wordnet is None:
        return []
    with tempfile.TemporaryDirectory() as cache:
        return lemma_queries(open_wordnet(wordnet, Path(cache)), options.wordnet)


def _by_source(queries: list[Query]) -> dict[str, int]:
    sources = [source.value for query in queries for source in query.sources]
    return {f"from_{source}": sources.count(source) for source in sorted(set(sources))}


if __name__ == "__main__":
    main_of("pipelines.vocab.build")
