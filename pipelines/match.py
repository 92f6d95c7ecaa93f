"""Candidates -> pairs whose text contains a query of the vocabulary."""

from dataclasses import dataclass
from typing import Any

from pipelines.cli import main_of
from pipelines.options import REJECTS, REJECTS_HELP, option, require_one_of
from pipelines.session import Session, Stage
from vocab.vocabulary import open_vocabulary
from wit_builder.manifest import require_complete, sum_footers
from wit_builder.match import Semantics
from wit_builder.parts import list_parts, part_path
from wit_builder.transforms.match import MatchQueries
from wit_builder.transforms.parts import WorkItem

SEMANTICS = tuple(Semantics)


@dataclass(frozen=True, kw_only=True)
class MatchOptions:
    """Options of `wit match`."""

    candidates: str = option("Folder that `wit candidates` wrote.", path=True)
    vocabulary: str = option("Folder that `wit vocab build` wrote.", path=True)
    output: str = option("Folder for the matched pairs.", path=True)
    semantics: str = option(
        "What contains a query: words (whole words, case folded) or metaclip (MetaCLIP's padded, "
        "case-sensitive substrings, for ablations).",
        "words",
    )
    keep_unmatched: bool = option("Keep pairs that match no query, with an empty list of ids.", False)
    rejects: str = option(REJECTS_HELP, "sample")

    def __post_init__(self) -> None:
        require_one_of("semantics", self.semantics, SEMANTICS)
        require_one_of("rejects", self.rejects, REJECTS)


def run(options: MatchOptions, session: Session) -> dict[str, Any]:
    """Make one part of pairs per part of candidates.

    Raises:
        UserError: an input is missing or unfinished, or no text contains a query.
    """
    candidates = require_complete(options.candidates, "candidates")
    require_complete(options.vocabulary, "vocab")
    vocabulary = open_vocabulary(options.vocabulary)
    parts = list_parts(options.candidates)
    names = [part_path(options.output, index, len(parts)) for index in range(len(parts))]
    inputs = {"candidates": candidates["fingerprint"], "vocabulary": vocabulary.digest}
    stage = Stage("match", options.output, options, inputs, session)
    if not stage.begin(f"{len(parts)} parts, {len(vocabulary):,} queries"):
        return stage.manifest()
    make = MatchQueries(
        options.vocabulary,
        vocabulary.digest,
        Semantics(options.semantics),
        options.keep_unmatched,
        options.rejects == "all",
    )
    stage.build_parts(
        "Match queries", make, [WorkItem((part,), name) for part, name in zip(parts, names, strict=True)]
    )
    facts = {"vocabulary_digest": vocabulary.digest, "queries": len(vocabulary)}
    return stage.finish(sum_footers(names), names, facts, candidates["counts"]["rows_out"])


if __name__ == "__main__":
    main_of("pipelines.match")
