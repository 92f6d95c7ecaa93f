"""Beam half of the vocabulary's counts: words of dumps, views of titles."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from xxhash import xxh3_64_intdigest

from vocab.count import Tokenizer, Tokens
from vocab.dump import Page, read_pages, skip_reason
from vocab.pageviews import count_views
from vocab.streams import Slice, read_lines
from vocab.wikitext import plain_text
from wit_builder.parts import PartSummary, PartWriter, read_batches, write_part
from wit_builder.records import DropReason
from wit_builder.transforms.counts import Plain, SumFrequent, divide_counts
from wit_builder.transforms.parts import WorkItem

_TEXTS = pa.list_(pa.field("item", pa.string(), nullable=False))
_COUNTS = pa.list_(pa.field("item", pa.int64(), nullable=False))
_NUMBERS = pa.list_(pa.field("item", pa.int32(), nullable=False))

COUNTED = pa.schema([pa.field("texts", _TEXTS, False), pa.field("counts", _COUNTS, False)])
"""A row is some distinct texts with their counts."""
TOKENS = pa.schema(
    [
        *COUNTED,
        pa.field("numbers", _NUMBERS, False),
        pa.field("aliases", _TEXTS, False),
        pa.field("targets", _TEXTS, False),
    ]
)
"""A row is some pages as `vocab.count.Tokens`: distinct words, their counts, all words by
number; and the titles of redirects with the titles that they lead to."""

WORDS = "words"
"""Counter of all words read, in the footers of the token parts."""
PLAIN_PIECES = "plain_pieces"
"""Counter of pieces of pages on which the parser would have spent too long."""

_HELD = 4_000_000
"""Words held before they are written: about 100 MB."""
_LINES = 2_000_000


@dataclass
class CountDump:
    """Numbers and counts the words of one slice of a dump."""

    aliases: bool
    """Write down redirects."""

    def setup(self) -> None:
        """Nothing to open."""

    def run(self, item: WorkItem) -> PartSummary:
        """Read one slice: pages in, articles out."""
        pages = articles = 0
        dropped: Counter[str] = Counter()
        tokenizer = Tokenizer()
        redirects: list[Page] = []
        with write_part(item.output, TOKENS) as part:
            for page in read_pages(item.inputs[0], Slice(item.start, item.end)):
                pages += 1
                reason = page if isinstance(page, DropReason) else skip_reason(page)
                if isinstance(page, DropReason) or reason is not None:
                    dropped[str(reason)] += 1
                    if self.aliases and isinstance(page, Page) and reason is DropReason.REDIRECT:
                        redirects.append(Page(page.title, 0, page.redirect, ""))
                    continue
                articles += 1
                tokenizer.add(plain_text(page.text, lambda: part.count(PLAIN_PIECES)))
                if len(tokenizer) > _HELD:
                    _write_tokens(part, tokenizer.take(), ())
            _write_tokens(part, tokenizer.take(), redirects)
            part.report(PartSummary(pages, articles, dict(dropped)))
        return part.summary()


def _write_tokens(part: PartWriter, tokens: Tokens, redirects: Sequence[Page]) -> None:
    counts = tokens.counts()
    part.count(WORDS, int(counts.sum()))
    aliases = [page.title for page in redirects]
    targets = [page.redirect for page in redirects]
    _write_row(part, TOKENS, [tokens.words, counts, tokens.numbers, aliases, targets])


def _write_row(part: PartWriter, schema: pa.Schema, lists: Sequence[object]) -> None:
    columns = [pa.array([items], kind) for items, kind in zip(lists, schema.types, strict=True)]
    part.write(pa.RecordBatch.from_arrays(columns, schema=schema))


@dataclass
class CountViews:
    """Counts the views of each title in one page view file."""

    def setup(self) -> None:
        """Nothing to open."""

    def run(self, item: WorkItem) -> PartSummary:
        """Count one file: titles with views in and out."""
        lines = read_lines(item.inputs[0])
        with write_part(item.output, COUNTED) as part:
            while block := list(islice(lines, _LINES)):
                views = count_views(block)
                row = [[list(views.keys())], [list(views.values())]]
                part.write(
                    pa.RecordBatch.from_arrays(list(map(pa.array, row, COUNTED.types)), schema=COUNTED)
                )
        return part.summary()


@dataclass(eq=False)
class SumTexts(beam.PTransform):
    """PCollection[str] of parts in COUNTED -> PCollection[PartSummary]: frequent texts in `schemas.NGRAM`."""

    folder: str
    buckets: int
    min_count: int
    missing: frozenset[int]

    def expand(self, parts: "beam.PCollection[str]") -> "beam.PCollection[PartSummary]":
        """Bring the counts of a text together and add them up."""
        return (
            parts
            | "Spread" >> beam.Reshuffle()
            | "Divide counts" >> beam.FlatMap(_divide_texts, self.buckets, sorted(self.missing))
            | "Frequent" >> SumFrequent(self.folder, self.buckets, self.min_count, Plain())
        )


def _divide_texts(path: str, buckets: int, missing: list[int]) -> Iterator[tuple[int, pa.RecordBatch]]:
    for row in read_batches([path], COUNTED.names, rows=1):
        texts, counts = (row.column(name).flatten() for name in COUNTED.names)
        yield from divide_counts(texts, counts, _text_buckets(texts, buckets), missing)


def _text_buckets(texts: pa.Array, buckets: int) -> npt.NDArray[np.int64]:
    encoded = map(str.encode, texts.to_pylist())
    hashes = np.fromiter(map(xxh3_64_intdigest, encoded), np.uint64, len(texts))
    return (hashes % np.uint64(buckets)).astype(np.int64)
