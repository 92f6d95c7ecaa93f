from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from pipelines.session import Session
from pipelines.vocab.build import run
from pipelines.vocab.options import VocabOptions
from tests import wikipedia
from vocab.streams import list_slices
from vocab.vocabulary import open_vocabulary
from wit_builder import manifest
from wit_builder.errors import UserError
from wit_builder.records import QuerySource

ARTICLES = list(wikipedia.articles(40))
VIEWS = b"en New_York 90 0\nen Dog_(film) 71 0\nen Rare 20 0\n"


def build(folder: Path, *dumps: str, **options: object) -> dict[str, bytes]:
    given = {"min_count": 5, "min_bigram_count": 3, "wordnet": "none", **options}
    run(VocabOptions(dumps=dumps, output=str(folder), **given), Session(console=Console(quiet=True)))  # type: ignore[arg-type]
    return {
        name: (folder / name).read_bytes() for name in ("queries.parquet", "queries.json", "matcher.arrow")
    }


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dumps")
    (folder / "whole.xml").write_bytes(wikipedia.export(ARTICLES))
    (folder / "one.xml").write_bytes(wikipedia.export(ARTICLES[:13]))
    (folder / "two.xml").write_bytes(wikipedia.export(ARTICLES[13:]))
    content, index = wikipedia.multistream(ARTICLES, 4)
    (folder / "wiki-multistream.xml.bz2").write_bytes(content)
    (folder / "wiki-multistream-index.txt.bz2").write_bytes(index)
    return folder


@pytest.fixture(scope="module")
def expected(dumps: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return build(tmp_path_factory.mktemp("vocab") / "out", str(dumps / "whole.xml"))


def test_words_and_bigrams_of_the_dump_become_queries(dumps: Path, tmp_path: Path) -> None:
    build(tmp_path / "out", str(dumps / "whole.xml"), max_bigrams=4)
    vocabulary = open_vocabulary(str(tmp_path / "out"))
    queries = [vocabulary.query(number) for number in range(len(vocabulary))]
    words = [query.query for query in queries if query.sources == (QuerySource.UNIGRAM,)]
    scores = [query.pmi for query in queries if query.sources == (QuerySource.BIGRAM,)]
    assert {"new", "york", "city0"} < set(words)
    assert len(scores) == 4
    assert scores == sorted(scores, reverse=True)  # type: ignore[type-var]


@pytest.mark.parametrize("names", [["one.xml", "two.xml"], ["wiki-*"]])
def test_the_same_bytes_however_the_dump_is_cut_and_on_two_workers(
    names: list[str], dumps: Path, expected: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.vocab.counts.list_slices", partial(list_slices, slice_bytes=700))
    monkeypatch.setattr("pipelines.vocab.counts._SLICES_PER_BUCKET", 2)
    assert build(tmp_path / "out", *(str(dumps / name) for name in names)) == expected


def test_a_damaged_stream_costs_only_its_pages(dumps: Path, tmp_path: Path) -> None:
    content = (dumps / "wiki-multistream.xml.bz2").read_bytes()
    middle = content.index(b"BZh91AY&SY", len(content) // 2)
    (tmp_path / "wiki.xml.bz2").write_bytes(content[: middle + 20] + b"\0" * 40 + content[middle + 60 :])
    build(tmp_path / "out", str(tmp_path / "wiki.xml.bz2"))
    counts = manifest.read(str(tmp_path / "out"))["counts"]
    assert counts["dropped"] == {"damaged_stream": 1}
    assert counts["rows_out"] == len(ARTICLES) - 4


def test_an_index_without_its_dump_is_refused(dumps: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is the index of a dump that is not given"):
        build(tmp_path / "out", str(dumps / "wiki-multistream-index.txt.bz2"))


def test_titles_aliases_and_numbers_are_queries_by_option(dumps: Path, tmp_path: Path) -> None:
    pages = [*ARTICLES, wikipedia.page("Big Apple", "#REDIRECT", redirect="New York")]
    (tmp_path / "wiki.xml").write_bytes(wikipedia.export(pages))
    (tmp_path / "views").write_bytes(VIEWS)
    views = (str(tmp_path / "views"),)
    build(tmp_path / "out", str(tmp_path / "wiki.xml"), pageviews=views, redirect_aliases=True, numbers=True)
    vocabulary = open_vocabulary(str(tmp_path / "out"))
    found = {
        text: vocabulary.query(vocabulary.id_of(text) or 0) for text in ("new york", "dog", "big apple", "42")
    }
    assert found["new york"].sources == (QuerySource.BIGRAM, QuerySource.TITLE)
    assert (found["new york"].pageviews, found["big apple"].pageviews, found["dog"].pageviews) == (90, 90, 71)
    assert found["42"].sources == (QuerySource.UNIGRAM,)
    assert vocabulary.id_of("rare") is None


def test_what_missed_a_threshold_is_written_down(dumps: Path, tmp_path: Path) -> None:
    (tmp_path / "views").write_bytes(VIEWS)
    build(
        tmp_path / "out",
        str(dumps / "whole.xml"),
        pageviews=(str(tmp_path / "views"),),
        min_count=200,
        min_pmi=1.0,
        max_queries=3,
    )
    facts = manifest.read(str(tmp_path / "out"))["facts"]
    assert facts["queries"] == 3
    assert (facts["word_floor"], facts["bigram_floor"], facts["views_floor"]) == (20, 3, 7)
    assert facts["cut_by_max_queries"] > 0
    from wit_builder.parts import read_table

    words = read_table(str(tmp_path / "out/frequent/part-00000-of-00001.parquet")).column("text").to_pylist()
    assert words == sorted(words)
    assert "new" in words
    views = read_table(str(tmp_path / "out/views/part-00000-of-00001.parquet")).to_pylist()
    assert views == [
        {"text": "dog", "count": 71},
        {"text": "new york", "count": 90},
        {"text": "rare", "count": 20},
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_bigrams": -1}, "max_bigrams is -1; use 0 or more"),
        ({"min_bigram_count": 0}, "min_bigram_count is 0; use 1 or more"),
        ({"wordnet": "all"}, "wordnet is 'all'; use one of lemmas, synsets, none"),
        ({"redirect_aliases": True}, "pageviews files, which redirect_aliases needs, is 0; use 1 or more"),
    ],
)
def test_a_bad_option_is_refused(
    options: dict[str, object], message: str, dumps: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        build(tmp_path / "out", str(dumps / "whole.xml"), **options)
