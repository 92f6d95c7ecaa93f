import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.cli import VERBS, VOCAB_VERBS, main

WIT = Path(sys.executable).with_name("wit")


def wit(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([WIT, *arguments], capture_output=True, text=True, check=False, timeout=120)


def test_help_lists_every_verb_quickly_without_beam_or_torch() -> None:
    started = time.monotonic()
    shown = wit("--help")
    seconds = time.monotonic() - started
    assert shown.returncode == 0
    assert all(verb in shown.stdout for verb in [*VERBS, "vocab"])
    code = "import sys, pipelines.cli; print({'apache_beam', 'torch'} & sys.modules.keys())"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout == "set()\n"
    assert seconds < 5  # 0.35 s on an idle machine; this only catches a heavy import


@pytest.mark.parametrize("verb", [*VERBS, *(f"vocab {verb}" for verb in VOCAB_VERBS)])
def test_every_verb_explains_its_options(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*verb.split(), "--help"])
    assert ended.value.code == 0
    looks = verb.startswith("vocab ") and VOCAB_VERBS[verb.split()[1]].looks
    assert ("--json" if looks else "--dry-run") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["match", "--nonsense", "1"], "--nonsense"),
        (["nonsense"], "nonsense"),
        (["match", "--candidates", "gone", "--vocabulary", "gone", "--output", "out"], "gone does not exist"),
        (["candidates", "--archives", "gone.warc.gz", "--output", "out"], "no file matches gone.warc.gz"),
        (
            ["balance", "--matches", "x", "--output", "y", "--max-pairs-per-query", "0"],
            "max_pairs_per_query is 0",
        ),
        (["fetch", "--pairs", "x", "--output", "y", "--resize-mode", "crop"], "resize_mode is 'crop'"),
        (["crawl", "--seeds", "http://example.org/", "--output", "out"], "give --contact"),
        (["vocab", "build", "--dumps", "gone.bz2", "--output", "out"], "no file matches gone.bz2"),
        (["check", "gone"], "gone has no *.tar"),
        (["inspect", "gone"], "gone does not exist"),
        (["stats", "gone"], "gone holds no finished stage"),
        (["train", "--shards", "gone", "--output", "out", "--preset", "demo"], "gone"),
        (["train", "--shards", "gone", "--output", "out", "--preset", "dema"], "demo"),
        (["build", "--config", "gone.yaml"], "gone.yaml does not exist"),
        (["build", "--config", "x", "--until", "fetsh"], "until is fetsh"),
    ],
)
def test_a_users_mistake_is_one_clear_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown
    assert not list(tmp_path.rglob("_SUCCESS"))


def candidates(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    (folder / "a.warc").write_bytes(b"WARC/1.1\r\n")
    return wit("candidates", "--archives", f"{folder}/a.warc", "--output", f"{folder}/out", *more)


def test_unknown_beam_options_are_refused(tmp_path: Path) -> None:
    result = candidates(tmp_path, "--", "--nosuch=1")
    assert (result.returncode, "unknown Beam option --nosuch" in result.stderr) == (2, True)


def test_a_dry_run_prints_options_and_plan_and_does_nothing(tmp_path: Path) -> None:
    result = candidates(tmp_path, "--dry-run")
    assert result.returncode == 0
    assert "min_chars: 3" in result.stderr
    assert "plan: 1 archives" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_module_runs_as_its_verb(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipelines.stats", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (result.returncode, "holds no finished stage" in result.stderr) == (2, True)


def test_results_are_json_in_a_pipe(tmp_path: Path) -> None:
    from tests.store import write_store

    write_store(tmp_path, 2)
    result = wit("inspect", str(tmp_path / "part-000-00000.parquet"))
    assert json.loads(result.stdout)["rows"] == 2
