"""WARC and WAT archives -> (image URL, text) candidates."""

from dataclasses import dataclass, field
from typing import Any

from pipelines.cli import main_of
from pipelines.options import REJECTS, REJECTS_HELP, option, require_one_of
from pipelines.session import Session, Stage
from wit_builder.addresses import AGENT_TOKEN
from wit_builder.errors import UserError
from wit_builder.filters import FilterOptions
from wit_builder.manifest import fingerprint_files, sum_footers
from wit_builder.parts import part_path
from wit_builder.paths import expand_archives
from wit_builder.transforms.candidates import ExtractCandidates
from wit_builder.transforms.parts import WorkItem


@dataclass(frozen=True, kw_only=True)
class CandidatesOptions:
    """Options of `wit candidates`."""

    archives: tuple[str, ...] = option(
        "WARC or WAT files: paths, globs, or a Common Crawl list (*.paths.gz). May be repeated.", path=True
    )
    output: str = option("Folder for the candidates.", path=True)
    archives_root: str = option(
        "Where the names in a path list are found.", "https://data.commoncrawl.org", path=True
    )
    filters: FilterOptions = field(default_factory=FilterOptions)
    rejects: str = option(REJECTS_HELP, "sample")

    def __post_init__(self) -> None:
        require_one_of("rejects", self.rejects, REJECTS)


def run(options: CandidatesOptions, session: Session) -> dict[str, Any]:
    """Make one part of candidates per archive.

    Raises:
        UserError: an archive is missing or none, or no candidate is left.
    """
    archives = expand_archives(options.archives, options.archives_root)
    if not archives:
        raise UserError("no archive is named; give --archives PATH")
    names = [part_path(options.output, index, len(archives)) for index in range(len(archives))]
    items = [WorkItem((archive,), name) for archive, name in zip(archives, names, strict=True)]
    inputs = {"archives": fingerprint_files(archives)}
    stage = Stage("candidates", options.output, options, inputs, session)
    if not stage.begin(f"{len(archives)} archives"):
        return stage.manifest()
    stage.build_parts(
        "Extract candidates", ExtractCandidates(options.filters, AGENT_TOKEN, options.rejects == "all"), items
    )
    return stage.finish(sum_footers(names), names)


if __name__ == "__main__":
    main_of("pipelines.candidates")
