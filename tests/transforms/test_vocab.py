from collections import Counter
from itertools import pairwise
from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.local import local_runner
from tests import wikipedia
from vocab.count import Tokenizer
from vocab.lexicon import Lexicon
from wit_builder.parts import part_path, read_summary, read_table, write_part
from wit_builder.transforms.arrays import SaveArrays, SavedArray, load_arrays
from wit_builder.transforms.bigrams import BoundBigrams, CountBigrams, table_bits
from wit_builder.transforms.parts import WorkItem
from wit_builder.transforms.vocab import (
    COUNTED,
    PLAIN_PIECES,
    TOKENS,
    WORDS,
    CountDump,
    CountViews,
    SumTexts,
    _write_row,
    _write_tokens,
)

TEXTS = st.lists(st.text(alphabet="ab c.", max_size=30), min_size=1, max_size=5)


def _token_parts(folder: Path, texts: list[str]) -> list[str]:
    names = [part_path(str(folder / "tokens"), number, len(texts)) for number in range(len(texts))]
    for name, text in zip(names, texts, strict=True):
        tokenizer = Tokenizer()
        tokenizer.add(text)
        with write_part(name, TOKENS) as part:
            _write_tokens(part, tokenizer.take(), ())
    return names


def _read(folder: Path, buckets: int) -> dict[str, int]:
    rows: dict[str, int] = {}
    for bucket in range(buckets):
        table = read_table(part_path(str(folder), bucket, buckets))
        assert table.column("text").to_pylist() == sorted(table.column("text").to_pylist())
        rows |= zip(table.column("text").to_pylist(), table.column("count").to_pylist(), strict=True)
    return rows


def test_a_slice_of_a_dump_becomes_numbers(tmp_path: Path) -> None:
    dump, part = str(tmp_path / "dump"), str(tmp_path / "part.parquet")
    pages = [
        wikipedia.page("Dog", "A dog's [[tail]]."),
        wikipedia.page("Hound", "#REDIRECT", redirect="Dog"),
        wikipedia.page("Talk:Dog", "no", namespace=1),
        wikipedia.page("Void", " "),
        "<page><broken></page>",
        wikipedia.page("Huge", "{|\n" + "|-\n| a || [[b\n" * 4_000 + "|}"),
    ]
    Path(dump).write_bytes(wikipedia.export(pages))
    summary = CountDump(aliases=True).run(WorkItem((dump,), part))
    assert (summary.rows_in, summary.rows_out) == (6, 2)
    assert summary.dropped == {"damaged_page": 1, "empty": 1, "other_namespace": 1, "redirect": 1}
    assert summary.counters == {WORDS: 8_003, PLAIN_PIECES: 1}
    assert read_summary(part) == summary
    row = read_table(part).to_pylist()[0]
    assert row["texts"] == ["a", "dog", "tail", "b"]
    assert row["counts"] == [4_001, 1, 1, 4_000]
    assert row["numbers"][:4] == [1, 2, 3, 0]
    assert (row["aliases"], row["targets"]) == (["Hound"], ["Dog"])


def test_many_words_leave_in_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wit_builder.transforms.vocab._HELD", 100)
    dump, part = str(tmp_path / "dump"), str(tmp_path / "part.parquet")
    Path(dump).write_bytes(wikipedia.export(wikipedia.articles(5)))
    summary = CountDump(aliases=False).run(WorkItem((dump,), part))
    rows = read_table(part).to_pylist()
    assert len(rows) == 6  # the last has nothing left to hold
    assert sum(sum(row["counts"]) for row in rows) == summary.counters[WORDS]


def test_views_of_titles_become_counts(tmp_path: Path) -> None:
    views, part = tmp_path / "views", str(tmp_path / "part.parquet")
    views.write_bytes(b"en Dog 5 0\nde Hund 7 0\nen Cat 2 0\nen.m Dog 1 0\n")
    CountViews().run(WorkItem((str(views),), part))
    assert read_table(part).to_pylist() == [{"texts": ["Dog", "Cat"], "counts": [6, 2]}]


@pytest.mark.parametrize("buckets", [1, 3])
def test_counts_of_parts_add_up_and_rare_ones_go(buckets: int, tmp_path: Path) -> None:
    counts = [{"dog": 2, "cat": 1}, {"dog": 3, "ant": 4}, {}]
    names = [part_path(str(tmp_path / "parts"), number, 3) for number in range(3)]
    for name, held in zip(names, counts, strict=True):
        with write_part(name, COUNTED) as part:
            _write_row(part, COUNTED, [list(held.keys()), list(held.values())])
    missing = frozenset(range(buckets))
    with beam.Pipeline(local_runner(1)) as pipeline:
        pipeline | beam.Create(names) | SumTexts(str(tmp_path / "sums"), buckets, 4, missing)
    assert _read(tmp_path / "sums", buckets) == {"dog": 5, "ant": 4}
    dropped = [read_summary(part_path(str(tmp_path / "sums"), n, buckets)).dropped for n in range(buckets)]
    assert sum(reasons.get("rare", 0) for reasons in dropped) == 1


@settings(max_examples=12)
@given(texts=TEXTS, least=st.integers(1, 4), known=st.sets(st.sampled_from(["a", "b", "ab", "c"])))
def test_bigrams_are_counted_exactly(
    texts: list[str], least: int, known: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("bigrams")
    expected = Counter(
        f"{first} {second}"
        for text in texts
        for phrase in text.split(".")
        for first, second in pairwise(phrase.split())
        if {first, second} <= known
    )
    import pyarrow as pa

    lexicon = Lexicon.save(pa.array(sorted(known), pa.string()), str(folder / "lexicon.arrow"))
    parts = _token_parts(folder, texts)
    bits = table_bits(100)
    with beam.Pipeline(local_runner(1)) as pipeline:
        bounds = BoundBigrams(lexicon, bits, least)
        groups = [tuple(parts[::2]), tuple(parts[1::2])]
        pipeline | beam.Create(groups) | bounds | SaveArrays(str(folder / "bounds.npz"))
    marks = load_arrays(str(folder / "bounds.npz"))
    frequent = SavedArray.save(np.concatenate([marks["0"]]), str(folder / "bounds.npy"))
    with beam.Pipeline(local_runner(1)) as pipeline:
        count = CountBigrams(lexicon, frequent, bits, str(folder / "sums"), 2, least, frozenset({0, 1}))
        pipeline | beam.Create(parts) | count
    assert _read(folder / "sums", 2) == {text: n for text, n in expected.items() if n >= least}


def test_the_table_grows_with_the_dump_up_to_a_limit() -> None:
    assert [table_bits(words) for words in (0, 10**6, 10**7, 10**8, 10**12)] == [16, 17, 21, 24, 26]
