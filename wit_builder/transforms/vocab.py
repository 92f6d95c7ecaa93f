"""Beam half of the vocabulary: count the words and bigrams of Wikipedia dumps."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vocab.count import NgramCounts
from vocab.dump import read_pages, skip_reason
from vocab.wikitext import plain_text
from wit_builder.hashing import hash_text
from wit_builder.parts import PartSummary, PartWriter, part_path, write_part, write_table
from wit_builder.records import DropReason
from wit_builder.transforms.parts import GatherRows, WorkItem, count_progress

NGRAM = pa.schema(
    [pa.field("text", pa.string(), nullable=False), pa.field("count", pa.int64(), nullable=False)]
)
WORDS = "words"
"""Counter of all words read, in the footers of the n-gram parts."""

_NGRAMS_HELD = 2_000_000
"""Distinct n-grams counted in memory before they are written down: about 300 MB."""


@dataclass
class CountDump:
    """Counts the words and bigrams of one dump; a part may hold an n-gram in several rows."""

    def setup(self) -> None:
        """Nothing to open."""

    def run(self, item: WorkItem) -> PartSummary:
        """Count one dump: pages in, articles out."""
        pages = articles = 0
        skipped: Counter[str] = Counter()
        with write_part(item.output, NGRAM) as part:
            counts = NgramCounts()
            for dump in item.inputs:
                for page in read_pages(dump):
                    pages += 1
                    reason = skip_reason(page)
                    if reason is not None:
                        skipped[reason.value] += 1
                        continue
                    articles += 1
                    counts.add(plain_text(page.text))
                    if len(counts.unigrams) + len(counts.bigrams) > _NGRAMS_HELD:
                        _write_counts(part, counts)
                        counts = NgramCounts()
            _write_counts(part, counts)
            part.report(PartSummary(pages, articles, dict(skipped)))
        return part.summary()


def _write_counts(part: PartWriter, counts: NgramCounts) -> None:
    part.count(WORDS, counts.total_words)
    for kind in (counts.unigrams, counts.bigrams):
        if kind:
            part.write(pa.RecordBatch.from_arrays([list(kind.keys()), list(kind.values())], schema=NGRAM))


@dataclass(eq=False)
class SumNgrams(beam.PTransform):
    """PCollection[str] of n-gram parts -> PCollection[PartSummary]: frequent n-grams, bucket by bucket."""

    folder: str
    buckets: int
    min_count: int
    missing: frozenset[int]

    def expand(self, parts: "beam.PCollection[str]") -> "beam.PCollection[PartSummary]":
        """Bring the counts of an n-gram together and add them up."""
        by_text = partial(_text_bucket, buckets=self.buckets)
        write = _WriteFrequent(self.folder, self.buckets, self.min_count)
        return (
            parts
            | "By text" >> GatherRows(by_text, self.missing, NGRAM)
            | "Keep frequent" >> beam.ParDo(write).with_output_types(PartSummary)
        )


def _text_bucket(batch: pa.RecordBatch, buckets: int) -> npt.NDArray[np.int64]:
    texts = batch.column("text").to_pylist()
    return np.array([hash_text(text) % buckets for text in texts], np.int64)


class _WriteFrequent(beam.DoFn):
    def __init__(self, folder: str, buckets: int, min_count: int) -> None:
        self._folder, self._buckets, self._min_count = folder, buckets, min_count

    def process(self, element: tuple[int, Iterable[pa.RecordBatch]]) -> Iterator[PartSummary]:
        bucket, batches = element
        sums = pa.Table.from_batches(batches, NGRAM).group_by("text").aggregate([("count", "sum")])
        frequent = sums.filter(pc.greater_equal(sums.column("count_sum"), self._min_count)).sort_by("text")
        summary = PartSummary(
            sums.num_rows, frequent.num_rows, {DropReason.RARE: sums.num_rows - frequent.num_rows}
        )
        rows = pa.Table.from_arrays([frequent.column("text"), frequent.column("count_sum")], schema=NGRAM)
        write_table(part_path(self._folder, bucket, self._buckets), rows, summary)
        count_progress("SumNgrams", summary)
        yield summary
