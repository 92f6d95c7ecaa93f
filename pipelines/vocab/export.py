"""Write the queries in a plain format."""

from dataclasses import dataclass

from pipelines.answer import JSON_HELP, Answer
from pipelines.cli import main_of
from pipelines.options import option, require_one_of
from vocab.exchange import FORMATS, export
from vocab.vocabulary import open_vocabulary
from wit_builder import storage


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options of `wit vocab export`."""

    vocabulary: str = option("Folder of the vocabulary.", path=True, argument=True)
    output: str = option("File to write.", path=True, argument=True)
    format: str = option(
        "json (all fields), csv (all fields), txt (a query a line) or metaclip (a JSON list of queries).",
        "json",
    )
    json: bool = option(JSON_HELP, False)

    def __post_init__(self) -> None:
        require_one_of("format", self.format, FORMATS)


def run(options: ExportOptions) -> list[Answer]:
    """Write a vocabulary's queries to a file.

    Raises:
        UserError: the vocabulary is missing or damaged, or the file cannot be written.
    """
    vocabulary = open_vocabulary(options.vocabulary)
    content = export(vocabulary.table, options.format)
    storage.write_bytes(options.output, content)
    facts = {
        "queries": len(vocabulary),
        "format": options.format,
        "bytes": len(content),
        "output": options.output,
    }
    return [Answer(facts, [f"{len(vocabulary):,} queries written to {options.output}"])]


if __name__ == "__main__":
    main_of("pipelines.vocab.export")
