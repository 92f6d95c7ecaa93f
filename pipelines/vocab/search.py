"""Find queries by their beginning, by a glob or by a regular expression."""

from dataclasses import dataclass

from pipelines.answer import JSON_HELP, Answer
from pipelines.cli import main_of
from pipelines.options import option, require
from pipelines.vocab.listing import list_queries, query_facts
from vocab.search import search
from vocab.vocabulary import open_vocabulary


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """Options of `wit vocab search`."""

    vocabulary: str = option("Folder of the vocabulary.", path=True, argument=True)
    pattern: str = option("The beginning of queries, or all of them with * and ?.", argument=True)
    regex: bool = option("The pattern is a regular expression, found anywhere in a query.", False)
    limit: int = option("Queries to show, the first of the vocabulary's order.", 20)
    json: bool = option(JSON_HELP, False)

    def __post_init__(self) -> None:
        require("limit", self.limit, 1)


def run(options: SearchOptions) -> list[Answer]:
    """List the queries that a pattern finds.

    Raises:
        UserError: the vocabulary is missing or damaged, or the pattern is wrong.
    """
    vocabulary = open_vocabulary(options.vocabulary)
    ids = search(vocabulary.table.column("query"), options.pattern, regex=options.regex)
    queries = [vocabulary.query(query_id) for query_id in ids[: options.limit].tolist()]
    facts = {"pattern": options.pattern, "found": len(ids), "queries": list(map(query_facts, queries))}
    title = f"{len(queries):,} of {len(ids):,} queries"
    return [Answer(facts, [list_queries(title, queries)])]


if __name__ == "__main__":
    main_of("pipelines.vocab.search")
