"""How a stage is run: its folder, its Beam pipelines, its progress on the terminal."""

import dataclasses
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import apache_beam as beam
import yaml
from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from pipelines.local import local_runner
from pipelines.options import identity
from wit_builder import manifest, storage
from wit_builder.errors import UserError
from wit_builder.parts import PartSummary
from wit_builder.transforms.parts import BuildParts, MakePart, WorkItem

T = TypeVar("T")


class Update(Protocol):
    """Shows how far something is."""

    def __call__(self, done: int, note: str = "") -> None:
        """Show the number of steps done, and a word about them."""


_POLL_SECONDS = 0.3
_USER_ERROR = re.compile(r"UserError: (.+?)(?: \[while running|\n|\\n|$)")


@dataclasses.dataclass(frozen=True)
class Session:
    """What all stages of one command share."""

    beam_args: tuple[str, ...] = ()
    dry_run: bool = False
    console: Console = dataclasses.field(default_factory=lambda: Console(stderr=True))

    def pipeline(self, width: int) -> beam.Pipeline:
        """Make an empty pipeline on the runner that was named, or on this machine.

        Args:
            width: how many things can be done at once; a local run starts no more workers.

        Raises:
            UserError: an option is none of Beam's.
        """
        named = [argument for argument in self.beam_args if argument.startswith("--runner")]
        if named and named[-1] != "--runner=DirectRunner":
            return beam.Pipeline(options=_pipeline_options(self.beam_args))
        workers = min(width, os.cpu_count() or 1)
        others = [argument for argument in self.beam_args if argument not in named]
        options = _pipeline_options([f"--direct_num_workers={workers}", *others])
        return beam.Pipeline(local_runner(workers), options)

    def run(
        self, label: str, build: Callable[[beam.Pipeline], None], width: int, watch: "Watch | None" = None
    ) -> None:
        """Run one pipeline to its end.

        Args:
            label: what it does, for people.
            build: wires it.
            width: how many things can be done at once.
            watch: where its parts appear.

        Raises:
            UserError: a worker met one.
        """
        logging.getLogger("apache_beam").setLevel(logging.ERROR)
        with self.progress(label, watch.total if watch else None) as update, _polling(watch, update):
            try:
                with self.pipeline(width) as pipeline:
                    build(pipeline)
            except Exception as error:
                raised = _user_error(error)
                if raised is None:
                    raise
                raise raised from None

    @contextmanager
    def progress(self, label: str, total: int | None) -> Iterator[Update]:
        """Show that something goes on: steps done of all steps, and the time.

        Args:
            label: what is done, for people.
            total: steps; None if unknown.

        Yields:
            A function that takes the number of steps done.
        """
        columns: tuple[ProgressColumn, ...] = (
            SpinnerColumn(),
            TextColumn("{task.description:<34}"),
            BarColumn(),
            MofNCompleteColumn(),
        )
        terminal = self.console.is_terminal
        if not terminal:
            self.console.print(f"  {label} ...", highlight=False)
        columns += (TimeElapsedColumn(), TextColumn("{task.fields[note]}"))
        with Progress(*columns, console=self.console, disable=not terminal) as bars:
            task = bars.add_task(label, total=total, note="")

            def update(done: int, note: str = "") -> None:
                bars.update(task, completed=done, note=note)

            yield update
            bars.update(task, completed=total or 1, total=total or 1)

    def alone(self, name: str, options: T, work: Callable[[T], dict[str, Any]]) -> dict[str, Any]:
        """Do work that is no Beam pipeline.

        Raises:
            UserError: Beam options were given.
        """
        if self.beam_args:
            raise UserError(
                f"wit {name} takes no Beam options, but {self.beam_args[0]} follows `--`; leave it out"
            )
        if self.dry_run:
            self.console.print(f"{name}\n{dump(options)}", highlight=False, markup=False)
            return {}
        return work(options)


@dataclasses.dataclass(frozen=True)
class Watch:
    """The folder where a pipeline's parts appear."""

    folder: str
    total: int
    suffix: str = ".parquet"

    def committed(self) -> int:
        """Count the parts that are there."""
        return min(self.total, len(storage.list_dir(self.folder, self.suffix)))

    def told(self) -> str:
        """Say more of what is done, for people."""
        return ""

    def note(self) -> str:
        """Say a word about how far it is."""
        return ""


@contextmanager
def _polling(watch: Watch | None, update: Update) -> Iterator[None]:
    """Tell `update`, now and then, how many parts are there."""
    ended = threading.Event()

    def poll() -> None:
        while watch and not ended.wait(_POLL_SECONDS):
            update(watch.committed(), watch.note())

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def dump(options: Any) -> str:
    """Write options as YAML."""
    return yaml.safe_dump(_plain(dataclasses.asdict(options)), sort_keys=False)


def _pipeline_options(arguments: Sequence[str]) -> PipelineOptions:
    options = PipelineOptions(list(arguments))
    known = PipelineOptions([]).get_all_options()
    unknown = [name for name in options.get_all_options(retain_unknown_options=True) if name not in known]
    if unknown:
        raise UserError(f"unknown Beam option --{unknown[0]}; see the options of your runner")
    return options


def _user_error(error: BaseException) -> UserError | None:
    """Find the user's mistake in what a worker raised, however a runner wraps it."""
    if isinstance(error, UserError):
        return UserError(str(error).split(" [while running")[0])
    found = _USER_ERROR.findall(str(error))
    return UserError(found[-1]) if found else None


class Stage:
    """One stage's run in its output folder.

    Args:
        name: of the stage.
        output: its folder.
        options: all of them; paths do not identify the run.
        inputs: name of each input to its fingerprint.
        session: of the command.
    """

    def __init__(
        self, name: str, output: str, options: Any, inputs: Mapping[str, str], session: Session
    ) -> None:
        self.name = name
        self.output = output
        self.session = session
        self._options = options
        self._inputs = inputs

    def begin(self, plan: str) -> bool:
        """Claim the folder; tell whether there is something to do.

        Args:
            plan: what will be done, for people.

        Raises:
            UserError: the folder holds another run.
        """
        if self.session.dry_run:
            shown = dump(self._options)
            self.session.console.print(f"{self.name}\n{shown}plan: {plan}", highlight=False, markup=False)
            return False
        manifest.begin(self.output, self.name, identity(self._options), self._inputs)
        if manifest.is_complete(self.output):
            self.session.console.print(f"{self.name}: already complete in {self.output}", highlight=False)
            return False
        self.session.console.print(f"{self.name}: {plan}", highlight=False)
        return True

    def build_parts(
        self, label: str, make: MakePart, items: Sequence[WorkItem], watch: "Watch | None" = None
    ) -> None:
        """Make the parts that are not committed yet."""
        missing = [item for item in items if not storage.exists(item.output)]
        if not missing:
            return
        folder = items[0].output.rpartition("/")[0]

        def build(pipeline: beam.Pipeline) -> None:
            pipeline | "Work items" >> beam.Create(missing) | label >> BuildParts(make)

        self.session.run(label, build, len(missing), watch or Watch(folder, len(items)))

    def manifest(self) -> dict[str, Any]:
        """Read what the folder says of itself; empty in a dry run."""
        return {} if self.session.dry_run else manifest.read(self.output)

    def finish(
        self,
        summary: PartSummary,
        parts: Sequence[str],
        facts: Mapping[str, Any] | None = None,
        rows_given: int | None = None,
    ) -> dict[str, Any]:
        """Commit the stage and tell its counts; see `manifest.finish`."""
        done = manifest.finish(self.output, summary, parts, facts, rows_given)
        dropped = ", ".join(f"{reason} {rows:,}" for reason, rows in summary.dropped.items())
        self.session.console.print(
            f"{self.name}: {summary.rows_in:,} in, {summary.rows_out:,} out"
            + (f"; dropped: {dropped}" if dropped else ""),
            highlight=False,
        )
        return done


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
