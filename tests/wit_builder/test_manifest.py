from pathlib import Path

import pytest

from wit_builder import manifest
from wit_builder.errors import UserError
from wit_builder.parts import PartSummary


def test_a_stage_is_complete_only_when_success_is_there(tmp_path: Path) -> None:
    folder = str(tmp_path / "out")
    manifest.begin(folder, "match", {"seed": 1}, {"candidates": "abc"})
    assert not manifest.is_complete(folder)
    with pytest.raises(UserError, match="is not finished"):
        manifest.require_complete(folder, "match")
    done = manifest.finish(folder, PartSummary(3, 2, {"no_query": 1}), [], {"queries": 5})
    assert manifest.require_complete(folder, "match") == done
    assert done["counts"]["dropped"] == {"no_query": 1}
    assert done["facts"] == {"queries": 5}


def test_the_same_run_may_be_taken_up_and_another_may_not(tmp_path: Path) -> None:
    folder = str(tmp_path / "out")
    manifest.begin(folder, "match", {"seed": 1}, {"candidates": "abc"})
    manifest.begin(folder, "match", {"seed": 1}, {"candidates": "abc"})
    with pytest.raises(UserError, match="option seed was 1, now it is 2"):
        manifest.begin(folder, "match", {"seed": 2}, {"candidates": "abc"})
    with pytest.raises(UserError, match="input candidates was 'abc', now it is 'def'"):
        manifest.begin(folder, "match", {"seed": 1}, {"candidates": "def"})
    with pytest.raises(UserError, match="holds the output of match, not of balance"):
        manifest.begin(folder, "balance", {"seed": 1}, {"candidates": "abc"})


def test_a_folder_with_strange_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_bytes(b"")
    with pytest.raises(UserError, match=r"thesis\.doc"):
        manifest.begin(str(tmp_path), "match", {}, {})


def test_an_empty_result_is_an_error_and_leaves_no_success(tmp_path: Path) -> None:
    manifest.begin(str(tmp_path), "match", {}, {})
    with pytest.raises(UserError, match="all rows were dropped .no_query 4."):
        manifest.finish(str(tmp_path), PartSummary(4, 0, {"no_query": 4}), [])
    assert not manifest.is_complete(str(tmp_path))


def test_an_input_that_is_missing_or_anothers_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run `wit match` first"):
        manifest.require_complete(str(tmp_path / "gone"), "match")
    with pytest.raises(UserError, match=r"has no manifest\.json"):
        manifest.require_complete(str(tmp_path), "match")
    manifest.begin(str(tmp_path), "fetch", {}, {})
    with pytest.raises(UserError, match="is the output of fetch, not of match"):
        manifest.require_complete(str(tmp_path), "match")


def test_what_a_kill_left_does_not_block_the_folder(tmp_path: Path) -> None:
    (tmp_path / ".tmp-abc").write_bytes(b"half a manifest")
    manifest.begin(str(tmp_path), "match", {}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_rows_that_are_lost_are_a_defect(tmp_path: Path) -> None:
    manifest.begin(str(tmp_path), "match", {}, {})
    with pytest.raises(RuntimeError, match="took 3 rows, but 4 were given"):
        manifest.finish(str(tmp_path), PartSummary(3, 3), [], rows_given=4)


def test_inputs_are_named_in_their_order_and_remote_ones_in_full(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
    local = [str(tmp_path / "a"), str(tmp_path / "b")]
    remote = ["s3://one/a", "s3://two/a"]
    named = [manifest.fingerprint_files(paths) for paths in (local, local[::-1], remote[:1], remote[1:])]
    assert len(set(named)) == 4
