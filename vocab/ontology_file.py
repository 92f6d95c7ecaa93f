"""The file `ontology.arrow`: all of WordNet that a vocabulary's reader needs.

It has one row; each of its columns is one array, as long as it has to be. Lists of
lists are two columns, the items and where each list ends, beginning with a 0.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from vocab import artifact
from wit_builder import storage
from wit_builder.errors import UserError
from wit_builder.text import query_key

_VERSION = "1"
_NO_WORD = -1
_TEXTS, _ROWS = pa.list_(pa.field("item", pa.string(), False)), pa.list_(pa.field("item", pa.int32(), False))
_SCHEMA = pa.schema(
    [
        pa.field("names", _TEXTS, nullable=False),  # of each synset, such as dog.n.01
        pa.field("glosses", _TEXTS, nullable=False),
        pa.field("lemmas", _TEXTS, nullable=False),  # of all synsets, one after the other
        pa.field("lemma_ends", _ROWS, nullable=False),  # where each synset's lemmas end, from 0
        pa.field("hypernyms", _ROWS, nullable=False),  # synsets
        pa.field("hypernym_ends", _ROWS, nullable=False),
        pa.field("words", _TEXTS, nullable=False),  # lemmas in `query_key` form, sorted
        pa.field("senses", _ROWS, nullable=False),  # synsets of each word, the most common first
        pa.field("sense_ends", _ROWS, nullable=False),
        pa.field("query_words", _ROWS, nullable=False),  # the word that each query is, or -1
    ]
)


def build_ontology(wordnet: Any, queries: Sequence[str], digest: str) -> bytes:
    """Make the ontology of a vocabulary; the same bytes for the same WordNet and queries.

    NLTK keeps the synsets above one in a set, so their order is made here.

    Args:
        wordnet: what `vocab.wordnet.open_wordnet` gave. All of it is read, in about 10 s.
        queries: by id, in `query_key` form.
        digest: of the vocabulary.

    Returns:
        An uncompressed Arrow IPC file, about 20 MB.
    """
    synsets = list(wordnet.all_synsets())
    rows = {synset.name(): row for row, synset in enumerate(synsets)}
    above = [sorted(rows[kind.name()] for kind in s.hypernyms() + s.instance_hypernyms()) for s in synsets]
    lemmas = [[name.replace("_", " ") for name in synset.lemma_names()] for synset in synsets]
    senses = _senses(wordnet, rows)
    words = {word: row for row, word in enumerate(senses)}
    columns: dict[str, Sequence[object]] = {
        "names": list(rows),
        "glosses": [synset.definition() for synset in synsets],
        "lemmas": list(chain.from_iterable(lemmas)),
        "lemma_ends": _ends(lemmas),
        "hypernyms": list(chain.from_iterable(above)),
        "hypernym_ends": _ends(above),
        "words": list(words),
        "senses": list(chain.from_iterable(senses.values())),
        "sense_ends": _ends(senses.values()),
        "query_words": [words.get(query, _NO_WORD) for query in queries],
    }
    schema = _SCHEMA.with_metadata({"version": _VERSION, "vocabulary": digest})
    arrays = [pa.array([columns[field.name]], field.type) for field in schema]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _senses(wordnet: Any, rows: Mapping[str, int]) -> dict[str, list[int]]:
    """Synsets by word, sorted by word; spellings that `query_key` folds together share theirs."""
    senses: dict[str, dict[int, None]] = {}
    for name in sorted(wordnet.all_lemma_names()):
        found = senses.setdefault(query_key(name.replace("_", " ")), {})
        # lemmas(), unlike synsets(), does not look under the stem of the word, too
        found.update((rows[lemma.synset().name()], None) for lemma in wordnet.lemmas(name))
    return {word: list(found) for word, found in sorted(senses.items()) if word}


def _ends(lists: Iterable[Sequence[object]]) -> list[int]:
    ends: list[int] = np.cumsum([0, *map(len, lists)]).tolist()
    return ends


def map_ontology(folder: str, expected_digest: str | None = None) -> pa.Table:
    """Map the ontology of a vocabulary folder; a remote one is copied to this machine once.

    Args:
        folder: that `write_vocabulary` wrote with WordNet.
        expected_digest: of the vocabulary that the caller means; None takes any.

    Returns:
        One row; see the head of this module.

    Raises:
        UserError: there is no ontology, it is damaged or of another vocabulary.
    """
    digests = artifact.read_digests(folder)
    path = storage.join(folder, artifact.ONTOLOGY)
    if artifact.ONTOLOGY not in digests:
        raise UserError(
            f"{folder} has no {artifact.ONTOLOGY}: it was made without WordNet; "
            "run `wit vocab build` with --wordnet lemmas, or `wit vocab import` with --ontology"
        )
    local = storage.local_copy(path, digests[artifact.ONTOLOGY])
    try:
        table = pa.ipc.open_file(pa.memory_map(local)).read_all()
    except (OSError, pa.ArrowInvalid) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path} cannot be read: {reason}; run `wit vocab build` again") from None
    facts = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    if not table.schema.equals(_SCHEMA) or facts.get("version") != _VERSION:
        raise UserError(f"{path} is not an ontology of this version; run `wit vocab build` again")
    if expected_digest not in (None, facts["vocabulary"]):
        raise UserError(
            f"{path} belongs to the vocabulary {facts['vocabulary'][:12]}, not {expected_digest[:12]}; "
            "run `wit vocab build` again, or name the other folder"
        )
    return table
