"""Draw queries by hash: the same ones for the same seed."""

from dataclasses import dataclass

from pipelines.answer import JSON_HELP, Answer
from pipelines.cli import main_of
from pipelines.options import MAX_SEED, option, require
from pipelines.vocab.listing import list_queries, query_facts
from vocab.search import sample
from vocab.vocabulary import open_vocabulary


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """Options of `wit vocab sample`."""

    vocabulary: str = option("Folder of the vocabulary.", path=True, argument=True)
    size: int = option("How many queries.", argument=True)
    seed: int = option("Another seed draws other queries.", 0)
    source: str | None = option("Only queries of this source, such as bigram.", None)
    json: bool = option(JSON_HELP, False)

    def __post_init__(self) -> None:
        require("seed", self.seed, 0, MAX_SEED)


def run(options: SampleOptions) -> list[Answer]:
    """List some queries.

    Raises:
        UserError: the vocabulary is missing or damaged, the size is below 1, or there is
            no such source.
    """
    vocabulary = open_vocabulary(options.vocabulary)
    ids = sample(vocabulary.table, options.size, options.seed, options.source)
    queries = [vocabulary.query(query_id) for query_id in ids.tolist()]
    facts = {"seed": options.seed, "source": options.source, "queries": list(map(query_facts, queries))}
    return [Answer(facts, [list_queries(f"{len(queries):,} queries", queries)])]


if __name__ == "__main__":
    main_of("pipelines.vocab.sample")
