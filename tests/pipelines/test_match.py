"""`wit match` itself: what is kept, what is counted, by either semantics."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.cli import main
from vocab.vocabulary import write_vocabulary
from wit_builder import manifest, schemas
from wit_builder.hashing import uid_of
from wit_builder.parts import PartSummary, part_path, write_table
from wit_builder.records import Query, QuerySource

TEXTS = ["a dog", "Dog!", "nothing", "🐶", ""]


@pytest.fixture(autouse=True)
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    manifest.begin("vocab", "vocab", {}, {})
    write_vocabulary(
        [Query(0, "a", (QuerySource.UNIGRAM,)), Query(1, "dog", (QuerySource.UNIGRAM,))], "vocab"
    )
    manifest.finish("vocab", PartSummary(2, 2), ["vocab/queries.parquet"])
    manifest.begin("candidates", "candidates", {}, {})
    rows = [
        {
            "uid": uid_of("u", text),
            "url": "u",
            "text": text,
            "text_source": "alt",
            "page_url": "p",
            "archive": "a",
            "archive_offset": 0,
        }
        for text in TEXTS
    ]
    name = part_path("candidates", 0, 1)
    summary = PartSummary(len(rows), len(rows))
    write_table(name, pa.Table.from_pylist(rows, schemas.CANDIDATE), summary)
    manifest.finish("candidates", summary, [name])


def match(*more: str) -> tuple[dict[str, list[int]], dict[str, object]]:
    """Run the stage; give the ids by text, and the counts."""
    with pytest.raises(SystemExit) as ended:
        main(["match", "--candidates", "candidates", "--vocabulary", "vocab", "--output", "match", *more])
    assert ended.value.code == 0
    rows = pq.read_table(part_path("match", 0, 1)).to_pylist()
    return {row["text"]: row["matched_query_ids"] for row in rows}, manifest.read("match")["counts"]


def test_pairs_that_match_no_query_are_dropped_and_counted() -> None:
    pairs, counts = match()
    assert pairs == {"a dog": [0, 1], "Dog!": [1]}
    assert counts == {"rows_in": 5, "rows_out": 2, "dropped": {"no_query": 3}, "counters": {}}


def test_unmatched_pairs_can_be_kept_and_are_counted_all_the_same() -> None:
    pairs, counts = match("--keep-unmatched")
    assert pairs == {"a dog": [0, 1], "Dog!": [1], "nothing": [], "🐶": [], "": []}
    assert counts == {"rows_in": 5, "rows_out": 5, "dropped": {}, "counters": {"unmatched": 3}}


def test_metaclips_rule_does_not_fold_the_text() -> None:
    pairs, counts = match("--semantics", "metaclip")
    assert pairs == {"a dog": [0, 1]}
    assert counts == {"rows_in": 5, "rows_out": 1, "dropped": {"no_query": 4}, "counters": {}}


def test_semantics_that_do_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["match", "--candidates", "c", "--vocabulary", "v", "--output", "o", "--semantics", "clip"])
    assert ended.value.code == 2
    assert "semantics is 'clip'; use one of words, metaclip" in capsys.readouterr().err


def test_a_damaged_index(capsys: pytest.CaptureFixture[str]) -> None:
    index = Path("vocab/matcher.arrow")
    index.write_bytes(index.read_bytes()[:-100] + bytes(100))
    with pytest.raises(SystemExit) as ended:
        main(["match", "--candidates", "candidates", "--vocabulary", "vocab", "--output", "match"])
    assert ended.value.code == 2
    assert "vocab/matcher.arrow is damaged" in capsys.readouterr().err
    assert not Path("match/_SUCCESS").exists()
