"""The local runner's workers: several processes, gone with their launcher."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import apache_beam as beam

from pipelines.session import Session

LAUNCHER = """
import sys
from tests.pipelines.test_local import run
run(sys.argv[1])
"""


def note_and_sleep(element: int, folder: str, seconds: float) -> int:
    """Write down the number of this process, then work on and on."""
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(seconds)  # stands for work, which a kill is to interrupt
    return element


def run(folder: str, seconds: float = 600) -> None:
    def build(pipeline: beam.Pipeline) -> None:
        note = beam.Map(note_and_sleep, folder, seconds)
        pipeline | beam.Create(range(4)) | beam.Reshuffle() | note

    Session().run("Sleep", build, 2)


def workers(folder: Path) -> list[int]:
    return [int(path.name) for path in folder.iterdir()]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)  # other processes tell nobody when they end


def is_running(process: int) -> bool:
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_several_workers_are_other_processes(tmp_path: Path) -> None:
    run(str(tmp_path), seconds=0.2)
    assert workers(tmp_path)
    assert os.getpid() not in workers(tmp_path)


def test_a_program_that_guards_nothing_runs_once(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(f"{LAUNCHER.replace('(sys.argv[1])', '(sys.argv[1], 0.1)')}\nprint('once')\n")
    (tmp_path / "out").mkdir()
    command = [sys.executable, str(program), str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "once\n"
    assert workers(tmp_path / "out")


def test_workers_end_when_their_launcher_is_killed(tmp_path: Path) -> None:
    launcher = subprocess.Popen([sys.executable, "-c", LAUNCHER, str(tmp_path)], stderr=subprocess.DEVNULL)
    until(lambda: bool(workers(tmp_path)))
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    until(lambda: not any(map(is_running, workers(tmp_path))))
