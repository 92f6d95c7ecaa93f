"""What makes one vocabulary another."""

from dataclasses import dataclass
from itertools import islice
from typing import Any

from pipelines.answer import JSON_HELP, Answer, Listing
from pipelines.cli import main_of
from pipelines.options import option, require
from vocab import columns
from vocab.compare import Fields, compare, describe_changes
from vocab.vocabulary import open_vocabulary


@dataclass(frozen=True, kw_only=True)
class DiffOptions:
    """Options of `wit vocab diff`."""

    old: str = option("Folder of a vocabulary.", path=True, argument=True)
    new: str = option("Folder of the vocabulary to compare it with.", path=True, argument=True)
    examples: int = option("Queries to show of each sort; --json gives all.", 10)
    json: bool = option(JSON_HELP, False)

    def __post_init__(self) -> None:
        require("examples", self.examples, 0)


def run(options: DiffOptions) -> list[Answer]:
    """Compare two vocabularies, query by query.

    Raises:
        UserError: one is missing or damaged.
    """
    old, new = open_vocabulary(options.old).table, open_vocabulary(options.new).table
    difference = compare(old, new)
    counts = {
        "same": difference.same,
        "added": len(difference.added),
        "removed": len(difference.removed),
        "changed": len(difference.changed[0]),
    }
    most = None if options.json else options.examples
    added = columns.to_list(new.column("query").take(difference.added[:most]))
    removed = columns.to_list(old.column("query").take(difference.removed[:most]))
    before, after = difference.changed
    changed = describe_changes(old.take(before[:most]), new.take(after[:most]))
    facts = {**counts, "queries": {"added": added, "removed": removed, "changed": changed}}
    listings = [Listing("Queries", ("difference", "queries"), list(counts.items()))]
    examples = [
        *(("added", query, "") for query in added[: options.examples]),
        *(("removed", query, "") for query in removed[: options.examples]),
        *(("changed", query, _told(fields)) for query, fields in islice(changed.items(), options.examples)),
    ]
    if examples:
        listings.append(Listing("Examples", ("difference", "query", "change"), examples))
    return [Answer(facts, listings)]


def _told(fields: Fields) -> str:
    return "; ".join(f"{name} {_value(old)} -> {_value(new)}" for name, (old, new) in fields.items())


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    if isinstance(value, float):
        return f"{value:.2f}"
    return "none" if value is None else f"{value:,}"


if __name__ == "__main__":
    main_of("pipelines.vocab.diff")
