"""What a vocabulary holds, and how many pairs are of a kind."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.answer import JSON_HELP, Answer, Listing
from pipelines.cli import main_of
from pipelines.options import option
from vocab import artifact
from vocab.ontology import Ontology, count_rows_with
from vocab.statistics import VocabularyStatistics, describe
from vocab.vocabulary import Vocabulary, open_vocabulary
from wit_builder import storage
from wit_builder.errors import UserError
from wit_builder.parts import list_parts, read_batches

_IDS = "matched_query_ids"

Lists = tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]


@dataclass(frozen=True, kw_only=True)
class StatsOptions:
    """Options of `wit vocab stats`."""

    vocabulary: str = option("Folder of the vocabulary.", path=True, argument=True)
    kind: tuple[str, ...] = option(
        "Count what is of this kind in WordNet, such as animal or animal.n.01. May be repeated.", ()
    )
    any_sense: bool = option("A query is of a kind if any of its meanings is, not only its first.", False)
    pairs: str | None = option(
        "Folder that `wit match` or `wit balance` wrote: count its pairs of each kind.", None, path=True
    )
    json: bool = option(JSON_HELP, False)

    def __post_init__(self) -> None:
        if self.pairs is not None and not self.kind:
            raise UserError("--pairs counts the pairs of a kind; give --kind, such as animal")


def run(options: StatsOptions) -> list[Answer]:
    """Describe a vocabulary; with kinds, count their queries and pairs.

    Raises:
        UserError: the vocabulary is missing or damaged, WordNet has no such kind, or
            the pairs cannot be read.
    """
    vocabulary = open_vocabulary(options.vocabulary)
    if options.kind:
        return [_kinds(options, vocabulary)]
    statistics = describe(vocabulary.table)
    names = artifact.read_digests(options.vocabulary)
    sizes = {name: storage.size(storage.join(options.vocabulary, name)) for name in names}
    return [_answer(statistics, vocabulary, sizes)]


def _answer(statistics: VocabularyStatistics, vocabulary: Vocabulary, sizes: dict[str, int]) -> Answer:
    bins = {f"{low:,}-{high:,}": number for (low, high), number in statistics.by_count.items()}
    facts = {
        "queries": statistics.queries,
        "digest": vocabulary.digest,
        "by_source": statistics.by_source,
        "by_sources": statistics.by_sources,
        "by_words": statistics.by_words,
        "by_count": [[low, high, number] for (low, high), number in statistics.by_count.items()],
        "bytes": sizes,
    }
    listings = [
        Listing("By source, of one or several", ("source", "queries"), _rows(statistics.by_source), True),
        Listing("By all sources of a query", ("sources", "queries"), _rows(statistics.by_sources), True),
        Listing("By number of words", ("words", "queries"), _rows(statistics.by_words), True),
        Listing("By occurrences in Wikipedia", ("count", "queries"), _rows(bins), True),
        Listing("Files", ("file", "bytes"), _rows(sizes)),
    ]
    head = f"{statistics.queries:,} queries, digest {vocabulary.digest}"
    return Answer(facts, [head, *(listing for listing in listings if listing.rows)])


def _rows(numbers: Any) -> list[tuple[object, int]]:
    return list(numbers.items())


def _kinds(options: StatsOptions, vocabulary: Vocabulary) -> Answer:
    ontology = Ontology.open(options.vocabulary, vocabulary.digest)
    rows = []
    for kind in options.kind:
        ids = ontology.queries_below(kind, any_sense=options.any_sense)
        name = ontology.name(ontology.find(kind))
        pairs = count_rows_with(ids, _matched_ids(options.pairs)) if options.pairs else None
        rows.append({"kind": kind, "synset": name, "queries": len(ids), "pairs": pairs})
    columns = ("kind", "synset", "queries", "pairs") if options.pairs else ("kind", "synset", "queries")
    cells = [[row[name] for name in columns] for row in rows]
    return Answer(
        {"kinds": [dict(zip(columns, row, strict=True)) for row in cells]}, [Listing("Kinds", columns, cells)]
    )


def _matched_ids(folder: str) -> Iterator[Lists]:
    for batch in read_batches(list_parts(folder), [_IDS]):
        if _IDS not in batch.schema.names:
            raise UserError(
                f"{folder} has no column {_IDS}; name a folder that `wit match` or `wit balance` wrote"
            )
        lists = batch.column(_IDS)
        first = lists.offsets[0].as_py()
        yield lists.offsets.to_numpy().astype(np.int64) - first, lists.flatten().to_numpy()


if __name__ == "__main__":
    main_of("pipelines.vocab.stats")
