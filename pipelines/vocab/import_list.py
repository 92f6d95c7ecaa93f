"""A list of texts, such as MetaCLIP's metadata -> a vocabulary."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.answer import JSON_HELP, Answer
from pipelines.cli import main_of
from pipelines.options import option
from vocab import artifact
from vocab.exchange import QueryList, make_queries, read_list
from vocab.making import IMPORTED
from vocab.vocabulary import write_vocabulary
from wit_builder import manifest, storage
from wit_builder.errors import UserError
from wit_builder.parts import PartSummary
from wit_builder.records import DropReason


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """Options of `wit vocab import`."""

    file: str = option("A text a line, or a JSON list of texts (.json).", path=True, argument=True)
    output: str = option("Folder for the vocabulary.", path=True, argument=True)
    ontology: bool = option("Add what WordNet says of the queries: some 20 seconds.", False)
    wordnet_folder: str | None = option(
        "Folder of data.noun (default: where NLTK or Debian keep it).", None, path=True
    )
    json: bool = option(JSON_HELP, False)


def run(options: ImportOptions) -> list[Answer]:
    """Make a vocabulary of a list; `wit match` takes it like a built one.

    Raises:
        UserError: the list cannot be read or has no word, the folder holds something
            else, or WordNet is not found.
    """
    texts = read_list(options.file, storage.read_bytes(options.file))
    made = make_queries(texts)
    if not made.queries:
        raise UserError(f"no text of {options.file} has a word; check the file")
    inputs = {"list": manifest.fingerprint_files([options.file])}
    manifest.begin(options.output, "vocab", {"ontology": options.ontology}, inputs)
    if not manifest.is_complete(options.output):
        _write(options, made, len(texts))
    told = manifest.read(options.output)
    queries, dropped = told["counts"]["rows_out"], told["counts"]["dropped"]
    facts = {"output": options.output, "queries": queries, "dropped": dropped, **told["facts"]}
    reasons = ", ".join(f"{reason} {rows:,}" for reason, rows in dropped.items())
    told_of = f"; dropped: {reasons}" if reasons else ""
    return [Answer(facts, [f"{queries:,} queries of {len(texts):,} texts in {options.output}{told_of}"])]


def _write(options: ImportOptions, made: QueryList, texts: int) -> None:
    with tempfile.TemporaryDirectory() as cache:
        wordnet = _open_wordnet(options.wordnet_folder, Path(cache)) if options.ontology else None
        digest = write_vocabulary(made.queries, options.output, wordnet)
    dropped = {DropReason.EMPTY.value: made.empty, DropReason.DUPLICATE_QUERY.value: made.duplicates}
    summary = PartSummary(
        texts, len(made.queries), {reason: rows for reason, rows in dropped.items() if rows}
    )
    facts = {IMPORTED: True, "queries": len(made.queries), "vocabulary_digest": digest}
    manifest.finish(options.output, summary, [storage.join(options.output, artifact.QUERIES)], facts)


def _open_wordnet(folder: str | None, cache: Path) -> Any:
    from vocab.wordnet import find_wordnet, open_wordnet  # NLTK: a second that a plain list does without

    return open_wordnet(find_wordnet(folder), cache)


if __name__ == "__main__":
    main_of("pipelines.vocab.import_list")
