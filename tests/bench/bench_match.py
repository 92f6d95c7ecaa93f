"""Texts matched per second: our index against pyahocorasick, MetaCLIP's way, on equal matches.

Queries: WordNet's lemmas, the commonest English words of wordfreq and the commonest
bigrams of wordsegment, 500,000. Texts: WordNet's own glosses, which are English
sentences of caption length; with WIT_TEST_DATA also captions/*.parquet, column TEXT.

The peer is an automaton of the queries with a space on either side. For our semantics
it is fed the normalised words with spaces, by MetaCLIP's rule what MetaCLIP feeds it;
"prepared before" leaves that preparation out of its time, never of ours. Ours starts
from an Arrow column and ends with arrays of offsets and ids.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import ahocorasick
import pyarrow as pa
import pyarrow.parquet as pq
import wordfreq
import wordsegment

from pipelines.demo.inputs import fetch_wordnet
from tests.bench.table import Row, compare, rate, report
from tests.metaclip import spacing
from vocab.entry import Entry
from vocab.lookup import QueryIndex
from vocab.merge import merge
from vocab.vocabulary import write_vocabulary
from vocab.wordnet import lemma_queries, open_wordnet
from wit_builder import schemas
from wit_builder.hashing import uid_of
from wit_builder.match import QueryMatcher, Semantics
from wit_builder.parts import part_path, write_part
from wit_builder.records import Query, QuerySource
from wit_builder.text import tokenize
from wit_builder.transforms.match import MatchQueries
from wit_builder.transforms.parts import WorkItem

TEXTS = 20_000
PAIRS = 100_000
SINGLE = 2_000
BATCH = 1_000
DATA = os.environ.get("WIT_TEST_DATA")


def main() -> None:
    """Build both, compare their matches, time them."""
    with tempfile.TemporaryDirectory() as folder:
        wordnet = open_wordnet(fetch_wordnet(), Path(folder))
        queries = merge([*lemma_queries(wordnet, "lemmas"), *common_words(), *common_bigrams()])
        texts = {"glosses": [synset.definition() for synset in wordnet.all_synsets("n")][:TEXTS]}
        if DATA:
            texts["captions"] = pq.read_table(f"{DATA}/captions").column("TEXT").to_pylist()
        digest = write_vocabulary(queries, folder)
        started = time.perf_counter()
        index = QueryIndex.open(folder, digest)
        seconds = time.perf_counter() - started
        started = time.perf_counter()
        QueryMatcher(index).match("déjà vu")
        first = time.perf_counter() - started
        stage = stage_row(folder, digest, texts["glosses"])
        size = Path(folder, "matcher.arrow").stat().st_size
        before = resident()
        automaton = automaton_of(queries)
        memory = compare("index", "MB", size / 1e6, (resident() - before) / 1e6, "pyahocorasick")
        rows = [row for name, some in texts.items() for row in match_rows(name, some, index, automaton)]
        title = (
            f"{len(queries):,} queries; index opened in {seconds:.3f} s, first match after {first:.1f} s more"
        )
        report(title, [*rows, stage, memory])


def common_words() -> Iterator[Entry]:
    for rank, word in enumerate(wordfreq.top_n_list("en", 1_000_000)):
        yield Entry(word, QuerySource.UNIGRAM, count=1_000_000 - rank)


def common_bigrams() -> Iterator[Entry]:
    wordsegment.load()
    for bigram, count in wordsegment.BIGRAMS.items():
        yield Entry(bigram, QuerySource.BIGRAM, pmi=count)


def automaton_of(queries: list[Query]) -> ahocorasick.Automaton:
    automaton = ahocorasick.Automaton()
    for query in queries:
        automaton.add_word(f" {query.query} ", query.query_id)
    automaton.make_automaton()
    return automaton


def match_rows(
    name: str, texts: list[str], index: QueryIndex, automaton: ahocorasick.Automaton
) -> Iterator[Row]:
    """Compare by our semantics, by MetaCLIP's, and one text at a time."""
    column, some = pa.array(texts), texts[:SINGLE]

    def search(spaced: Iterable[str]) -> list[list[int]]:
        return [sorted({query for _, query in automaton.iter(text)}) for text in spaced]

    for semantics, space in PEERS.items():
        matcher = QueryMatcher(index, semantics)
        offsets, ids = matcher.match_texts(column)
        spaced = list(map(space, texts))
        found = [ids[start:end].tolist() for start, end in pairwise(offsets)]
        assert found == search(spaced), "the two find different queries"
        what = f"{name}, {semantics}"
        ours = rate(partial(match_batches, matcher, column), len(texts))
        peer = rate(partial(search, spaced), len(texts))
        yield compare(f"{what}, peer's texts prepared before", "texts/s", ours, peer, "pyahocorasick")
        peer = rate(partial(search_all, search, space, texts), len(texts))
        yield compare(what, "texts/s", ours, peer, "pyahocorasick")
        ours = rate(partial(match_each, matcher, some), SINGLE)
        peer = rate(partial(search_all, search, space, some), SINGLE)
        yield compare(f"{what}, one by one", "texts/s", ours, peer, "pyahocorasick")


def match_batches(matcher: QueryMatcher, column: pa.Array) -> None:
    for row in range(0, len(column), BATCH):
        matcher.match_texts(column[row : row + BATCH])


def match_each(matcher: QueryMatcher, texts: list[str]) -> None:
    for text in texts:
        matcher.match(text)


def search_all(
    search: Callable[[Iterable[str]], object], space: Callable[[str], str], texts: list[str]
) -> None:
    search(map(space, texts))


def join_words(text: str) -> str:
    return f" {' '.join(tokenize(text))} "


PEERS = {Semantics.WORDS: join_words, Semantics.METACLIP: spacing}


def stage_row(folder: str, digest: str, texts: list[str]) -> Row:
    """Compare a part of `wit match`, Parquet to Parquet, with the bare matcher on its texts."""
    path = part_path(folder, 0, 1)
    with write_part(path, schemas.CANDIDATE) as part:
        for start in range(0, PAIRS, BATCH):
            rows = [candidate(number, texts[number % len(texts)]) for number in range(start, start + BATCH)]
            part.write(pa.RecordBatch.from_pylist(rows, schemas.CANDIDATE))
    stage = MatchQueries(folder, digest, Semantics.WORDS, keep_unmatched=False, all_rejects=False)
    stage.setup()
    ours = rate(lambda: stage.run(WorkItem((path,), f"{folder}/pairs.parquet")), PAIRS)
    matcher = QueryMatcher(QueryIndex.open(folder))
    column = pq.read_table(path, columns=["text"]).column(0).combine_chunks()
    bare = rate(partial(match_batches, matcher, column), PAIRS)
    return compare("wit match, Parquet read and written", "texts/s", ours, bare, "bare matcher")


def candidate(number: int, text: str) -> dict[str, object]:
    url = f"https://images{number % 997}.example.org/pictures/{number}/{number * 2_654_435_761 % 2**32}.jpg"
    return {
        "uid": uid_of(url, text),
        "url": url,
        "text": text,
        "text_source": "alt",
        "page_url": f"https://site{number // 300}.example.org/page-{number // 12}.html",
        "archive": f"crawl-{number // 20_000:05d}.warc.gz",
        "archive_offset": number // 12 * 9_000,
    }


def resident() -> int:
    """Give the bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
