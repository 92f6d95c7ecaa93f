"""WARC and WAT archives -> (image URL, text) candidates."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from pipelines.candidates_steps import EXTRACTED, LimitSteps
from pipelines.cli import main_of
from pipelines.options import REJECTS, REJECTS_HELP, option, require, require_one_of
from pipelines.session import Session, Stage
from wit_builder import storage
from wit_builder.addresses import AGENT_TOKEN
from wit_builder.archives import slices_of
from wit_builder.errors import UserError
from wit_builder.filters import FilterOptions, make_filters
from wit_builder.limits import LimitOptions
from wit_builder.manifest import fingerprint_files, sum_footers
from wit_builder.parts import part_path
from wit_builder.paths import expand_archives
from wit_builder.transforms.candidates import ExtractCandidates
from wit_builder.transforms.parts import WorkItem

BYTES_PER_MB = 1_000_000


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
    slice_mb: int | None = option(
        "Read archives in slices of so many million bytes, each a work item (default: whole files).", None
    )
    filters: FilterOptions = field(default_factory=FilterOptions)
    limits: LimitOptions = field(default_factory=LimitOptions)
    rejects: str = option(REJECTS_HELP, "sample")

    def __post_init__(self) -> None:
        require_one_of("rejects", self.rejects, REJECTS)
        if self.slice_mb is not None:
            require("slice_mb", self.slice_mb, 1)


def run(options: CandidatesOptions, session: Session) -> dict[str, Any]:
    """Make one part of candidates per archive or slice; then, if asked, look over all of them.

    Raises:
        UserError: an archive or a block list is missing, there is no archive, or no candidate is left.
    """
    archives = expand_archives(options.archives, options.archives_root)
    if not archives:
        raise UserError("no archive is named; give --archives PATH")
    make_filters(options.filters)  # so that a bad block list is told before anything runs
    inputs = {"archives": fingerprint_files(archives), **_block_lists(options.filters)}
    stage = Stage("candidates", options.output, options, inputs, session)
    items = work_items(archives, options)
    if not stage.begin(f"{len(archives)} archives in {len(items)} work items"):
        return stage.manifest()
    all_rejects = options.rejects == "all"
    stage.build_parts(
        "Extract candidates", ExtractCandidates(options.filters, AGENT_TOKEN, all_rejects), items
    )
    names = [item.output for item in items]
    if not options.limits.any:
        return stage.finish(sum_footers(names), names)
    steps = LimitSteps(stage, options.limits, tuple(names))
    steps.run(all_rejects)
    done = stage.finish(sum_footers(steps.outputs), steps.outputs)
    steps.clear()
    return done


def work_items(archives: list[str], options: CandidatesOptions) -> list[WorkItem]:
    """Plan a work item for each archive, or for each slice of one.

    Raises:
        UserError: an archive that is to be cut is not there.
    """
    pieces: list[tuple[str, int, int | None]] = [(archive, 0, None) for archive in archives]
    if options.slice_mb is not None:
        pieces = [
            (name, *piece) for name in archives for piece in slices_of(name, options.slice_mb * BYTES_PER_MB)
        ]
    folder = storage.join(options.output, EXTRACTED) if options.limits.any else options.output
    return [
        WorkItem((archive,), part_path(folder, number, len(pieces)), start, end)
        for number, (archive, start, end) in enumerate(pieces)
    ]


def _block_lists(options: FilterOptions) -> dict[str, str]:
    """Name the block lists by their content: they may move, but not change while the stage runs."""
    paths = {"blocked_hosts": options.blocked_hosts, "blocked_texts": options.blocked_texts}
    return {
        name: hashlib.sha256(storage.read_bytes(path)).hexdigest()[:16]
        for name, path in paths.items()
        if path
    }


if __name__ == "__main__":
    main_of("pipelines.candidates")
