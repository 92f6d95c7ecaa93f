"""What is known of one query, or why a text is none."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pipelines.answer import JSON_HELP, Answer, Listing
from pipelines.cli import main_of
from pipelines.options import option
from pipelines.vocab.listing import list_queries, query_facts
from vocab import artifact
from vocab.explain import Reasons, why_in, why_not
from vocab.making import Making
from vocab.ontology import Ontology, Synset
from vocab.search import near_spellings
from vocab.vocabulary import Vocabulary, open_vocabulary
from wit_builder.errors import UserError
from wit_builder.text import query_key


@dataclass(frozen=True, kw_only=True)
class ShowOptions:
    """Options of `wit vocab show`."""

    vocabulary: str = option("Folder of the vocabulary.", path=True, argument=True)
    query: tuple[str, ...] = option("A word or several, in any spelling.", argument=True)
    json: bool = option(JSON_HELP, False)


@dataclass(frozen=True, slots=True)
class _Meaning:
    synset: Synset
    paths: list[list[Synset]]
    """The ways to it, each from the root of the tree."""


def run(options: ShowOptions) -> list[Answer]:
    """Show a query with its sources, scores and meanings, or say which thresholds a text missed.

    Raises:
        UserError: the vocabulary is missing or damaged, or the text has no word.
    """
    text = " ".join(options.query)
    key = query_key(text)
    if not key:
        raise UserError(f"{text!r} has no word; give a word or several")
    vocabulary = open_vocabulary(options.vocabulary)
    making = Making.open(options.vocabulary)
    meanings = _meanings(vocabulary, key)
    query_id = vocabulary.id_of(key)
    if query_id is None:
        reasons = why_not(key, making, [meaning.synset for meaning in meanings])
        near = near_spellings(vocabulary.table.column("query"), key)
        return [_absent(key, reasons, near, meanings)]
    query = vocabulary.query(query_id)
    reasons = why_in(query, making.options if making else {})
    facts = {**query_facts(query), "why": reasons, "synsets": _facts(meanings)}
    why = Listing("Why it is a query", ("source", "reason"), list(reasons.items()))
    return [Answer(facts, [list_queries("Query", [query]), why, *_listed(meanings)])]


def _absent(key: str, reasons: Reasons, near: list[str], meanings: Sequence[_Meaning]) -> Answer:
    facts = {"query_id": None, "query": key, "why_not": reasons, "near": near, "synsets": _facts(meanings)}
    why = Listing("Why it is none", ("source", "reason"), list(reasons.items()))
    alike = [f"spelt nearly so: {', '.join(near)}"] if near else []
    return Answer(facts, [f"{key!r} is no query of this vocabulary", why, *_listed(meanings), *alike])


def _meanings(vocabulary: Vocabulary, key: str) -> list[_Meaning]:
    if artifact.ONTOLOGY not in artifact.read_digests(vocabulary.folder):
        return []
    ontology = Ontology.open(vocabulary.folder, vocabulary.digest)
    return [
        _Meaning(
            ontology.synset(row),
            [[ontology.synset(kind) for kind in path] for path in ontology.hypernym_paths(row)],
        )
        for row in ontology.senses(key)
    ]


def _facts(meanings: Sequence[_Meaning]) -> list[dict[str, object]]:
    return [
        {**asdict(meaning.synset), "hypernym_paths": [[kind.name for kind in path] for path in meaning.paths]}
        for meaning in meanings
    ]


def _listed(meanings: Sequence[_Meaning]) -> list[Listing]:
    rows = [
        (meaning.synset.name, ", ".join(meaning.synset.lemmas), meaning.synset.gloss, _kinds(meaning))
        for meaning in meanings
    ]
    return [Listing("Meanings", ("synset", "words", "gloss", "kind of"), rows)] if rows else []


def _kinds(meaning: _Meaning) -> str:
    """The ways up, by the first word of each synset."""
    ways = (" < ".join(kind.lemmas[0] for kind in reversed(path[:-1])) for path in meaning.paths)
    return "; ".join(way for way in ways if way)


if __name__ == "__main__":
    main_of("pipelines.vocab.show")
