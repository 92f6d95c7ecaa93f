"""`wit`: one command, a verb a stage, and verbs that look at what a stage wrote.

A verb's module, and with it Beam or torch, is loaded only when the verb is used.
"""

import importlib
import json
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from typing import Any, NamedTuple

import typer
from rich.console import Console
from typer.core import TyperCommand, TyperGroup

from pipelines.answer import show
from pipelines.options import make_command
from wit_builder.errors import UserError

Command = TyperCommand | TyperGroup

USER_ERROR = 2
"""Exit status of a user's mistake."""


class Verb(NamedTuple):
    """Where a verb lives and what it does."""

    module: str
    options: str
    help: str
    looks: bool = False
    """It only looks at files, at once: its `run` takes no session, loads no Beam and gives answers."""


VERBS = {
    "build": Verb("pipelines.build", "BuildOptions", "Run all stages that a YAML file names; resumable."),
    "crawl": Verb("pipelines.crawl", "CrawlOptions", "Crawl web sites politely into WARC files."),
    "candidates": Verb(
        "pipelines.candidates", "CandidatesOptions", "Extract (image URL, text) pairs from WARC and WAT."
    ),
    "match": Verb("pipelines.match", "MatchOptions", "Keep the pairs whose text contains a query."),
    "balance": Verb("pipelines.balance", "BalanceOptions", "Keep at most so many pairs per query."),
    "balance plot": Verb(
        "pipelines.balance_plot", "BalancePlotOptions", "Draw pairs per query before and after balance."
    ),
    "fetch": Verb("pipelines.fetch", "FetchStageOptions", "Download the images politely into a store."),
    "shards": Verb("pipelines.shards", "ShardsOptions", "Write WebDataset shards from the store."),
    "remove": Verb(
        "pipelines.remove", "RemoveOptions", "Take listed items out of a dataset; --purge: and of its store."
    ),
    "train": Verb("pipelines.train", "TrainOptions", "Train CLIP on shards."),
    "eval": Verb(
        "pipelines.eval", "EvalOptions", "Evaluate a model: zero-shot, retrieval, probes, few-shot."
    ),
    "eval report": Verb(
        "pipelines.eval_report", "EvalReportOptions", "Show evaluations on one HTML page, beside the paper's."
    ),
    "inspect": Verb("pipelines.inspect", "InspectOptions", "Show what a file or folder holds."),
    "stats": Verb("pipelines.stats", "StatsOptions", "Print the funnel with its reasons."),
    "check": Verb("pipelines.check", "CheckOptions", "Verify a dataset; --digest names it."),
}
VOCAB_VERBS = {
    "build": Verb(
        "pipelines.vocab.build", "VocabOptions", "Build the vocabulary from Wikipedia and WordNet."
    ),
    "import": Verb(
        "pipelines.vocab.import_list", "ImportOptions", "Make a vocabulary of a list of queries.", looks=True
    ),
    "stats": Verb("pipelines.vocab.stats", "StatsOptions", "Count queries by source and length.", True),
    "show": Verb("pipelines.vocab.show", "ShowOptions", "Tell why a text is a query, or why not.", True),
    "search": Verb("pipelines.vocab.search", "SearchOptions", "Find queries by prefix, glob or regex.", True),
    "match": Verb("pipelines.vocab.match", "MatchOptions", "Highlight the queries in texts.", True),
    "diff": Verb("pipelines.vocab.diff", "DiffOptions", "Compare two vocabularies.", True),
    "sample": Verb("pipelines.vocab.sample", "SampleOptions", "Draw queries by hash.", True),
    "plot": Verb("pipelines.vocab.plot", "PlotOptions", "Draw counts by rank and shares by source.", True),
    "export": Verb("pipelines.vocab.export", "ExportOptions", "Write the queries as JSON, text, CSV.", True),
}


class _Verbs(TyperGroup):
    """Lists verbs from the table and loads the one that is used."""

    verbs: dict[str, Verb]
    groups: dict[str, Command]
    beam_args: tuple[str, ...]

    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        return [*self.groups, *self.verbs]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        del ctx
        if cmd_name in self.groups:
            return self.groups[cmd_name]
        verb = self.verbs.get(cmd_name)
        return TyperCommand(cmd_name, help=verb.help) if verb else None

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        if " ".join(args[:2]) in self.verbs:
            args = [" ".join(args[:2]), *args[2:]]
        name, command, rest = super().resolve_command(ctx, args)
        if name in self.verbs:
            command = _load(name, self.verbs[name], self.beam_args)
        return name, command, rest


def _load(name: str, verb: Verb, beam_args: tuple[str, ...]) -> Command:
    try:
        module = importlib.import_module(verb.module)
    except ModuleNotFoundError as error:
        raise UserError(
            f"wit {name} needs {error.name}, which is not installed; pip install 'wit-builder[train]'"
        ) from None

    def run(options: Any, dry_run: bool) -> None:
        from pipelines.session import Session  # Beam is loaded with the verb

        _show(module.run(options, Session(beam_args, dry_run)))

    def look(options: Any, dry_run: bool) -> None:
        del dry_run  # there is none
        if beam_args:
            raise UserError(f"wit vocab {name} takes no Beam options ({beam_args[0]}); leave them out")
        for answer in module.run(options):
            show(answer, options.json)

    app = make_command(
        getattr(module, verb.options), look if verb.looks else run, verb.help, plans=not verb.looks
    )
    command: Command = typer.main.get_command(app)  # type: ignore[assignment]  # one command: a TyperCommand
    command.name = name
    return command


def _show(result: dict[str, Any]) -> None:
    if not result:
        return
    if sys.stdout.isatty():
        Console().print_json(json.dumps(result, default=str))
    else:
        sys.stdout.write(json.dumps(result, default=str, ensure_ascii=False) + "\n")


def make_app(beam_args: tuple[str, ...] = ()) -> TyperGroup:
    """Make the command line; `beam_args` go to the stages' pipelines."""
    vocab = _Verbs(name="vocab", help="Build the vocabulary and look into it.", no_args_is_help=True)
    vocab.verbs, vocab.groups, vocab.beam_args = VOCAB_VERBS, {}, beam_args
    text = "Build image-text datasets as CLIP's WIT, train CLIP on them, evaluate. Beam options follow `--`."
    wit = _Verbs(name="wit", help=text, no_args_is_help=True)
    wit.verbs, wit.groups, wit.beam_args = VERBS, {"vocab": vocab}, beam_args
    return wit


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `wit`; a user's mistake ends in one line and status 2."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    cut = words.index("--") if "--" in words else len(words)
    if arguments is None and _looks(words):
        _spare_pandas()
    try:
        make_app(tuple(words[cut + 1 :]))(words[:cut], prog_name="wit")
    except UserError as error:
        sys.exit(_report(error))


def _looks(words: Sequence[str]) -> bool:
    verb = VOCAB_VERBS.get(words[1]) if words[:1] == ["vocab"] and len(words) > 1 else None
    return verb is not None and verb.looks


class _NoPandas(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        del path, target
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


def _spare_pandas() -> None:
    """Let Arrow do without pandas, which it would load with its first array: a third of a second.

    It asks once in a process whether pandas is there, and remembers. So this is for a
    process that only looks, not for one that others go on with.
    """
    import pyarrow

    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    pyarrow.array([0])
    sys.meta_path.remove(finder)


def main_of(module: str) -> None:
    """Run one stage as `python -m pipelines.<stage>`: the same as `wit <stage>`."""
    for name, verb in {**VERBS, **{f"vocab {name}": verb for name, verb in VOCAB_VERBS.items()}}.items():
        if verb.module == module:
            main([*name.split(), *sys.argv[1:]])


def _report(error: UserError) -> int:
    sys.stderr.write(f"wit: {' '.join(str(error).split())}\n")
    return USER_ERROR


if __name__ == "__main__":
    main()
