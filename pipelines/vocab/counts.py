"""The passes over dumps and page view files that end in tables of counts."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import pyarrow as pa

from pipelines.session import Stage, Watch
from vocab.lexicon import Lexicon
from vocab.streams import list_slices, read_index
from wit_builder import schemas, storage
from wit_builder.errors import UserError
from wit_builder.parts import part_path, read_batches, read_table
from wit_builder.transforms.arrays import SaveArrays, SavedArray, load_arrays
from wit_builder.transforms.bigrams import BoundBigrams, CountBigrams, table_bits
from wit_builder.transforms.parts import WorkItem
from wit_builder.transforms.vocab import CountDump, CountViews, SumTexts

_SLICES_PER_BUCKET = 8
"""Sums of so many slices of a dump, or files of page views, make one part."""

_GROUPS = 8
"""Tables of bounds that are made and added up; each takes a worker 256 MB and seconds a gigabyte."""

_INDEX = "-multistream-index.txt"

Add = Callable[[str, int, frozenset[int]], beam.PTransform]
"""Makes the transform that writes the buckets that are missing in a folder."""


@dataclass(frozen=True)
class Floors:
    """What occurs less often is not told apart from what does not occur."""

    word: int
    bigram: int
    views: int


def dump_items(dumps: Iterable[str], folder: str) -> list[WorkItem]:
    """Cut dumps into slices, by the indexes that lie among them where there are some.

    Raises:
        UserError: an index is there without its dump, or is none.
    """
    indexes = {path.partition(_INDEX)[0]: path for path in dumps if _INDEX in path}
    slices = []
    for dump in dumps:
        if _INDEX not in dump:
            index = indexes.pop(dump.partition("-multistream.xml")[0], None)
            boundaries = read_index(index) if index else None
            slices += [(dump, part) for part in list_slices(dump, boundaries=boundaries)]
    if indexes:
        raise UserError(
            f"{next(iter(indexes.values()))} is the index of a dump that is not given; give the dump too"
        )
    return [
        WorkItem((dump,), part_path(folder, number, len(slices)), part.start, part.end)
        for number, (dump, part) in enumerate(slices)
    ]


def count_words(stage: Stage, items: list[WorkItem], aliases: bool, floors: Floors) -> pa.Table:
    """Number the words of the dumps' articles and count them.

    Returns:
        Frequent words in `schemas.NGRAM`, sorted by text.
    """
    stage.build_parts("Read dumps", CountDump(aliases), items)
    return _sum(
        stage,
        "Count words",
        [item.output for item in items],
        lambda folder, buckets, missing: SumTexts(folder, buckets, floors.word, missing),
    )


def count_bigrams(stage: Stage, tokens: list[str], words: pa.Table, total: int, floors: Floors) -> pa.Table:
    """Count the bigrams of some words exactly, in bounded memory.

    Args:
        stage: of the vocabulary.
        tokens: parts of `count_words`.
        words: that a bigram may have, in `schemas.NGRAM`.
        total: occurrences of all words.
        floors: what is frequent.

    Returns:
        Frequent bigrams in `schemas.NGRAM`, sorted by text.
    """
    work = storage.join(stage.output, "work")
    lexicon = Lexicon.save(words.column("text").combine_chunks(), storage.join(work, "lexicon.arrow"))
    bits = table_bits(total)
    bounds = storage.join(work, "bounds.npz")
    groups = [tuple(tokens[start::_GROUPS]) for start in range(min(_GROUPS, len(tokens)))]
    if not storage.exists(bounds):

        def build(pipeline: beam.Pipeline) -> None:
            transform = BoundBigrams(lexicon, bits, floors.bigram)
            pipeline | "Groups of parts" >> beam.Create(groups) | transform | SaveArrays(bounds)

        stage.session.run("Bound bigrams", build, len(groups))
    slices = sorted((int(number), marks) for number, marks in load_arrays(bounds).items())
    marks = np.concatenate([marks for _, marks in slices])
    frequent = SavedArray.save(marks, storage.join(work, "bounds.npy"))
    return _sum(
        stage,
        "Count bigrams",
        tokens,
        lambda folder, buckets, missing: CountBigrams(
            lexicon, frequent, bits, folder, buckets, floors.bigram, missing
        ),
    )


def count_views(stage: Stage, files: list[str], floors: Floors) -> pa.Table:
    """Count the views of titles over all files: `schemas.NGRAM`, sorted by title."""
    folder = storage.join(stage.output, "work", "views")
    items = [WorkItem((path,), part_path(folder, number, len(files))) for number, path in enumerate(files)]
    stage.build_parts("Read page views", CountViews(), items)
    return _sum(
        stage,
        "Count page views",
        [item.output for item in items],
        lambda folder, buckets, missing: SumTexts(folder, buckets, floors.views, missing),
    )


def read_aliases(tokens: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Stream the titles of redirects and the titles that they lead to from token parts."""
    for row in read_batches(tokens, ["aliases", "targets"], rows=1):
        aliases, targets = (row.column(name).flatten().to_pylist() for name in ("aliases", "targets"))
        yield from zip(aliases, targets, strict=True)


def _sum(stage: Stage, label: str, parts: list[str], add: Add) -> pa.Table:
    buckets = math.ceil(len(parts) / _SLICES_PER_BUCKET)
    folder = storage.join(stage.output, "work", label.lower().replace(" ", "_"))
    names = [part_path(folder, number, buckets) for number in range(buckets)]
    missing = frozenset(number for number, name in enumerate(names) if not storage.exists(name))
    if missing:

        def build(pipeline: beam.Pipeline) -> None:
            pipeline | "Parts" >> beam.Create(parts) | add(folder, buckets, missing)

        stage.session.run(label, build, len(parts), Watch(folder, buckets))
    if not names:
        return schemas.NGRAM.empty_table()
    return pa.concat_tables([read_table(name) for name in names]).sort_by("text").combine_chunks()
