"""The whole dataset from one YAML file: the table of contents of the road.

A section of the file is a stage's options by name; what one stage hands to the next
lies in folders of `output` named after the stages, so those options are left out.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import yaml

from pipelines.cli import main_of
from pipelines.options import construct, option
from pipelines.session import Session, dump
from wit_builder import storage
from wit_builder.errors import UserError
from wit_builder.manifest import is_complete


class Step(NamedTuple):
    """A stage of the road and what it takes from earlier ones."""

    module: str
    options: str
    takes: Mapping[str, str]
    """Option name to the path inside `output` that it is given."""


STEPS = {
    "vocab": Step("pipelines.vocab.build", "VocabOptions", {}),
    "crawl": Step("pipelines.crawl", "CrawlOptions", {}),
    "candidates": Step("pipelines.candidates", "CandidatesOptions", {}),
    "match": Step("pipelines.match", "MatchOptions", {"candidates": "candidates", "vocabulary": "vocab"}),
    "balance": Step("pipelines.balance", "BalanceOptions", {"matches": "match", "vocabulary": "vocab"}),
    "fetch": Step("pipelines.fetch", "FetchStageOptions", {"pairs": "balance"}),
    "shards": Step("pipelines.shards", "ShardsOptions", {"store": "fetch"}),
    "train": Step("pipelines.train", "TrainOptions", {"shards": "shards"}),
}
OPTIONAL = ("crawl", "train")
"""These run only if the file has a section for them."""

NO_BEAM = ("train",)
"""These are no Beam pipelines and take none of its options."""


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """Options of `wit build`."""

    config: str = option("YAML file: `output`, and a section of options per stage.")
    until: str | None = option("Stop after this stage.", None)

    def __post_init__(self) -> None:
        if self.until is not None and self.until not in STEPS:
            raise UserError(f"until is {self.until}; use one of {', '.join(STEPS)}")


def run(options: BuildOptions, session: Session) -> dict[str, Any]:
    """Run the stages in order; what is complete is not done again.

    Raises:
        UserError: the file is no such YAML, or a stage raises one.
    """
    output, sections = read_config(options.config)
    planned = plan(output, sections, options.until)
    if session.dry_run:
        for stage, (_, stage_options) in planned.items():
            state = "complete" if is_complete(stage_options.output) else "to do"
            session.console.print(f"{stage}: {state}\n{dump(stage_options)}", highlight=False, markup=False)
        return {}
    results = {}
    for stage, (module, stage_options) in planned.items():
        alone = replace(session, beam_args=()) if stage in NO_BEAM else session
        results[stage] = module.run(stage_options, alone).get("counts", {})
    return results


def read_config(path: str) -> tuple[str, dict[str, dict[str, Any]]]:
    """Read a build's YAML file: its output folder and its sections.

    Raises:
        UserError: it is no YAML mapping, or names an unknown stage.
    """
    try:
        config = yaml.safe_load(storage.read_bytes(path))
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {error}") from None
    if not isinstance(config, dict) or not isinstance(config.get("output"), str):
        raise UserError(f"{path} names no `output` folder; give it as text at the top level")
    sections = {name: value or {} for name, value in config.items() if name != "output"}
    for name, value in sections.items():
        if name not in STEPS:
            raise UserError(f"{path} has a section {name}; use {', '.join(STEPS)}")
        if not isinstance(value, dict):
            raise UserError(f"section {name} of {path} is {value!r}; it must be options by name")
    return config["output"], sections


def plan(
    output: str, sections: Mapping[str, Mapping[str, Any]], until: str | None
) -> dict[str, tuple[Any, Any]]:
    """Resolve the options of every stage that will run, before any of them does.

    Raises:
        UserError: an option is unknown, missing or wrong.
    """
    planned = {}
    for name, step in STEPS.items():
        if name in OPTIONAL and name not in sections:
            continue
        module = importlib.import_module(step.module)
        given: dict[str, Any] = {taken: storage.join(output, folder) for taken, folder in step.takes.items()}
        if name == "candidates" and "crawl" in sections:
            crawled = importlib.import_module("pipelines.crawl").archives_of
            recrawl = sections["crawl"].get("recrawl", "")
            given["archives"] = crawled(storage.join(output, "crawl"), recrawl)
        given["output"] = storage.join(output, name)
        kind = getattr(module, step.options)
        _refuse_given(name, sections.get(name, {}), given)
        try:
            planned[name] = (module, construct(kind, {**given, **sections.get(name, {})}))
        except UserError as error:
            raise UserError(f"section {name}: {error}") from None
        if name == until:
            break
    return planned


def _refuse_given(name: str, section: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    doubled = sorted(given.keys() & section.keys())
    if doubled:
        raise UserError(
            f"section {name} has the option {doubled[0]}, which the build sets itself; leave it out"
        )


if __name__ == "__main__":
    main_of("pipelines.build")
