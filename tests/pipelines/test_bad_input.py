"""Bad input through `wit` itself: one clear line and status 2, or a counted drop; never `_SUCCESS`."""

import bz2
import json
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.cli import main
from tests.archives import write_warc
from tests.pairs import matched
from tests.road import write_dump
from wit_builder import manifest
from wit_builder.parts import PartSummary, part_path, write_table

PAGE = '<img src="/dog.jpg" alt="a red square"><img src="/cat.jpg" alt="a blue square">'


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run `wit`, sure that it ends as a user's mistake, and give its last line."""
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    shown = capsys.readouterr().err
    assert ended.value.code == 2
    assert "Traceback" not in shown
    assert not list(Path(arguments[arguments.index("--output") + 1]).glob("_SUCCESS"))
    return shown.strip().splitlines()[-1]


def succeeded(*arguments: str) -> dict[str, object]:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    assert ended.value.code == 0
    return manifest.read(arguments[arguments.index("--output") + 1])


def vocab(*more: str) -> tuple[str, ...]:
    return ("vocab", "build", "--wordnet", "none", "--min-count", "3", "--output", "vocab", *more)


def test_a_missing_dump(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, *vocab("--dumps", "gone.xml.bz2")).startswith("wit: no file matches gone.xml.bz2")


def test_a_truncated_dump(capsys: pytest.CaptureFixture[str]) -> None:
    whole = write_dump(Path("wiki.xml.bz2")).read_bytes()
    Path("wiki.xml.bz2").write_bytes(whole[:-20])
    line = refused(capsys, *vocab("--dumps", "wiki.xml.bz2"))
    assert "no article could be read from wiki.xml.bz2 (damaged_stream 1); download it again" in line
    assert "download it again" in line


def test_a_dump_that_is_not_xml(capsys: pytest.CaptureFixture[str]) -> None:
    Path("wiki.bz2").write_bytes(bz2.compress(b"no xml at all"))
    assert "wiki.bz2" in refused(capsys, *vocab("--dumps", "wiki.bz2"))


def test_a_dump_without_articles_gives_no_vocabulary(capsys: pytest.CaptureFixture[str]) -> None:
    Path("wiki.xml").write_text("<mediawiki></mediawiki>")
    assert "wit: " in refused(capsys, *vocab("--dumps", "wiki.xml"))


def test_wordnet_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    write_dump(Path("wiki.xml.bz2"))
    arguments = ("vocab", "build", "--dumps", "wiki.xml.bz2", "--wordnet-folder", "gone", "--output", "vocab")
    assert "apt install wordnet-base" in refused(capsys, *arguments)


def test_a_warc_cut_in_the_middle_is_a_counted_drop() -> None:
    pages = [(f"http://site/{n}", PAGE + "x" * 3000) for n in range(3)]
    whole = write_warc(Path("a.warc.gz"), pages)
    whole.write_bytes(whole.read_bytes()[:-100])
    done = succeeded("candidates", "--archives", "a.warc.gz", "--output", "candidates")
    assert done["counts"]["rows_out"] == 4  # type: ignore[index]
    assert done["counts"]["counters"]["truncated_records"] == 1  # type: ignore[index]
    assert manifest.is_complete("candidates")


def test_an_archive_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.warc.gz").write_bytes(b"<html>404 not found</html>")
    line = refused(capsys, "candidates", "--archives", "a.warc.gz", "--output", "candidates")
    assert line.startswith("wit: a.warc.gz is no WARC or WAT file")


def test_an_empty_result_after_a_filter(capsys: pytest.CaptureFixture[str]) -> None:
    write_warc(Path("a.warc.gz"), [("http://site/", PAGE)])
    arguments = ("candidates", "--archives", "a.warc.gz", "--min-chars", "500", "--output", "candidates")
    line = refused(capsys, *arguments)
    assert "candidates is empty: all rows were dropped (text_too_short 2)" in line


def test_an_output_folder_that_holds_another_run(capsys: pytest.CaptureFixture[str]) -> None:
    write_warc(Path("a.warc.gz"), [("http://site/", PAGE)])
    arguments = ("candidates", "--archives", "a.warc.gz", "--output", "candidates")
    succeeded(*arguments)
    Path("candidates/_SUCCESS").unlink()
    line = refused(capsys, *arguments, "--max-chars", "50")
    assert "candidates holds another run" in line


def build_matches(queries: int) -> None:
    manifest.begin("match", "match", {}, {})
    batch = matched([("http://a", [0]), ("http://b", [7])])
    name = part_path("match", 0, 1)
    summary = PartSummary(2, 2)
    table = pa.Table.from_batches([batch])
    write_table(name, table, summary)
    manifest.finish("match", summary, [name], {"queries": queries, "vocabulary_digest": "abc"})


def test_matches_of_another_vocabulary(capsys: pytest.CaptureFixture[str]) -> None:
    build_matches(queries=5)
    line = refused(capsys, "balance", "--matches", "match", "--output", "balance")
    assert "query id 7 is not in the vocabulary of 5 queries" in line


def test_an_index_of_another_vocabulary(capsys: pytest.CaptureFixture[str]) -> None:
    write_warc(Path("a.warc.gz"), [("http://site/", PAGE)])
    succeeded("candidates", "--archives", "a.warc.gz", "--output", "candidates")
    for folder, count in (("vocab", "3"), ("other", "13")):
        write_dump(Path("wiki.xml.bz2"))
        build = ("vocab", "build", "--wordnet", "none", "--dumps", "wiki.xml.bz2", "--min-count", count)
        succeeded(*build, "--output", folder)
    sums = Path("vocab/SHA256SUMS").read_text().splitlines()
    other = {line.split("  ")[1]: line for line in Path("other/SHA256SUMS").read_text().splitlines()}
    mixed = [other["matcher.arrow"] if line.endswith("matcher.arrow") else line for line in sums]
    Path("vocab/SHA256SUMS").write_text("".join(f"{line}\n" for line in mixed))
    Path("vocab/matcher.arrow").write_bytes(Path("other/matcher.arrow").read_bytes())
    arguments = ("match", "--candidates", "candidates", "--vocabulary", "vocab", "--output", "match")
    assert "belongs to the vocabulary" in refused(capsys, *arguments)


def test_a_stage_whose_input_is_unfinished(capsys: pytest.CaptureFixture[str]) -> None:
    build_matches(queries=8)
    Path("match/_SUCCESS").unlink()
    line = refused(capsys, "balance", "--matches", "match", "--output", "balance")
    assert "match is not finished (no _SUCCESS)" in line


def test_a_manifest_that_is_no_json(capsys: pytest.CaptureFixture[str]) -> None:
    Path("match").mkdir()
    Path("match/manifest.json").write_text("{broken")
    line = refused(capsys, "balance", "--matches", "match", "--output", "balance")
    assert "match/manifest.json is not JSON" in line


def test_hosts_of_others_need_a_contact(capsys: pytest.CaptureFixture[str]) -> None:
    build_matches(queries=8)
    succeeded("balance", "--matches", "match", "--output", "balance")
    assert "give --contact" in refused(capsys, "fetch", "--pairs", "balance", "--output", "fetch")
    assert json.loads(Path("balance/manifest.json").read_text())["counts"]["rows_out"] == 2
