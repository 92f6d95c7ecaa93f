import json
import subprocess
from pathlib import Path

import pytest

from vocab.vocabulary import open_vocabulary, write_vocabulary
from wit_builder.errors import UserError
from wit_builder.records import Query, QuerySource

QUERIES = [
    Query(0, "dog", (QuerySource.UNIGRAM, QuerySource.WORDNET_SYNSET), count=200),
    Query(1, "new york", (QuerySource.BIGRAM, QuerySource.TITLE), count=30, pmi=7.5, pageviews=90),
    Query(2, "café", (QuerySource.TITLE,), pageviews=80),
]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    digest = write_vocabulary(QUERIES, str(tmp_path))
    vocabulary = open_vocabulary(str(tmp_path))
    assert vocabulary.digest == digest
    assert len(vocabulary) == 3
    assert vocabulary.texts == ["dog", "new york", "café"]
    assert [vocabulary.query(query_id) for query_id in range(3)] == QUERIES
    assert [vocabulary.id_of(text) for text in ("New-York", "Cafe\u0301", "cat")] == [1, 2, None]


def test_the_plain_list_is_json(tmp_path: Path) -> None:
    write_vocabulary(QUERIES, str(tmp_path))
    assert json.loads((tmp_path / "queries.json").read_text("utf-8")) == ["dog", "new york", "café"]


def test_the_same_queries_give_the_same_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    assert write_vocabulary(QUERIES, str(one)) == write_vocabulary(QUERIES, str(other))
    names = ["SHA256SUMS", "matcher.arrow", "queries.json", "queries.parquet"]
    assert sorted(path.name for path in one.iterdir()) == names
    assert [(one / name).read_bytes() for name in names] == [(other / name).read_bytes() for name in names]


def test_another_score_is_another_vocabulary(tmp_path: Path) -> None:
    changed = [*QUERIES[:2], Query(2, "café", (QuerySource.TITLE,), pageviews=81)]
    assert write_vocabulary(QUERIES, str(tmp_path / "a")) != write_vocabulary(changed, str(tmp_path / "b"))


def test_the_digests_are_those_that_sha256sum_finds(tmp_path: Path) -> None:
    write_vocabulary(QUERIES, str(tmp_path))
    done = subprocess.run(
        ["sha256sum", "--check", "SHA256SUMS"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == ["matcher.arrow: OK", "queries.json: OK", "queries.parquet: OK"]


def test_an_unknown_id_is_named(tmp_path: Path) -> None:
    write_vocabulary(QUERIES, str(tmp_path))
    with pytest.raises(UserError, match=r"no query 3 in .*; ids are 0 to 2"):
        open_vocabulary(str(tmp_path)).query(3)


def test_a_missing_or_unfinished_vocabulary_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no finished vocabulary \(SHA256SUMS\)"):
        open_vocabulary(str(tmp_path))
    write_vocabulary(QUERIES, str(tmp_path))
    (tmp_path / "queries.parquet").unlink()
    with pytest.raises(UserError, match=r"queries\.parquet does not exist"):
        open_vocabulary(str(tmp_path))


@pytest.mark.parametrize("damage", [b"", b"PAR1 not parquet"])
def test_a_damaged_vocabulary_is_named(damage: bytes, tmp_path: Path) -> None:
    write_vocabulary(QUERIES, str(tmp_path))
    (tmp_path / "queries.parquet").write_bytes(damage)
    with pytest.raises(UserError, match=r"queries\.parquet is damaged"):
        open_vocabulary(str(tmp_path))


def test_an_empty_vocabulary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no query; lower its thresholds or add a source"):
        write_vocabulary([], str(tmp_path))


def test_ids_must_be_row_numbers(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="row numbers"):
        write_vocabulary(QUERIES[1:], str(tmp_path))
