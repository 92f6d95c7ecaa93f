"""From a query to what it can mean, and from there up and down WordNet's tree of kinds.

A kind is named by a synset ("animal.n.01") or by a word, which stands for its first
synset. WordNet lists the synsets of a word nouns first, then by how common they
are; only the first says what a query is, unless all are asked for ("bass" is a
voice, but among its meanings is a fish).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vocab.ontology_file import map_ontology
from wit_builder.errors import UserError
from wit_builder.text import query_key

_PARTS_OF_SPEECH = {"n": "noun", "v": "verb", "a": "adj", "s": "adj", "r": "adv"}

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Synset:
    """One meaning, and the words that have it."""

    name: str
    """As NLTK names it: dog.n.01."""
    part_of_speech: str
    """noun, verb, adj or adv."""
    gloss: str
    lemmas: tuple[str, ...]
    """Its words, with blanks for underscores; the first gives the name."""


class Ontology:
    """WordNet beside a vocabulary, mapped into memory: workers of a machine share it.

    A synset is a row number here: rows are 0 to `len(ontology) - 1`.

    Args:
        table: one row in the schema of `ontology.arrow`.
        folder: where it came from, for messages.
    """

    def __init__(self, table: pa.Table, folder: str) -> None:
        arrays = {name: table.column(name).chunk(0).flatten() for name in table.column_names}
        self._folder = folder
        self._names, self._words = arrays["names"], arrays["words"]
        self._glosses, self._lemmas = arrays["glosses"], arrays["lemmas"]
        numbers = {name: array.to_numpy() for name, array in arrays.items() if array.type == pa.int32()}
        self._lemma_ends, self._query_words = numbers["lemma_ends"], numbers["query_words"]
        self._sense_ends, self._senses = numbers["sense_ends"], numbers["senses"]
        self.hypernyms: tuple[Int32s, Int32s] = numbers["hypernym_ends"], numbers["hypernyms"]
        """Synsets right above each: ends and rows; those of s are rows[ends[s]:ends[s + 1]]."""

    @classmethod
    def open(cls, folder: str, expected_digest: str | None = None) -> "Ontology":
        """Map the ontology of a vocabulary folder; a remote one is copied to this machine once.

        Args:
            folder: that `write_vocabulary` wrote with WordNet.
            expected_digest: of the vocabulary that the caller means; None takes any.

        Raises:
            UserError: there is no ontology, it is damaged or of another vocabulary.
        """
        return cls(map_ontology(folder, expected_digest), folder)

    def __len__(self) -> int:
        return len(self._names)

    def synset(self, row: int) -> Synset:
        """Give what WordNet says of one synset."""
        name = self._names[row].as_py()
        lemmas = self._lemmas.slice(self._lemma_ends[row], self._lemma_ends[row + 1] - self._lemma_ends[row])
        kind = _PARTS_OF_SPEECH[name.rsplit(".", 2)[1]]
        return Synset(name, kind, self._glosses[row].as_py(), tuple(lemmas.to_pylist()))

    def name(self, row: int) -> str:
        """Give the name of one synset."""
        name: str = self._names[row].as_py()
        return name

    def senses(self, word: str) -> list[int]:
        """List the synsets of a word of WordNet in any spelling, a query or not; none if it has none."""
        place = pc.index(self._words, query_key(word)).as_py()
        return (
            [] if place < 0 else self._senses[self._sense_ends[place] : self._sense_ends[place + 1]].tolist()
        )

    def find(self, kind: str) -> int:
        """Find the synset that a name ("animal.n.01") or a word ("animal", "sea animal") stands for.

        Raises:
            UserError: WordNet has neither.
        """
        row = pc.index(self._names, kind).as_py()
        if row >= 0:
            return int(row)
        senses = self.senses(kind)
        if not senses:
            raise UserError(
                f"the WordNet of {self._folder} has no synset and no word {kind!r}; "
                "name one such as animal or animal.n.01"
            )
        return senses[0]

    def hypernym_paths(self, row: int) -> list[list[int]]:
        """List the ways up from a synset, each from its root down to the synset itself."""
        ends, rows = self.hypernyms
        above = rows[ends[row] : ends[row + 1]].tolist()
        return [[*path, row] for kind in above for path in self.hypernym_paths(kind)] or [[row]]

    def is_a(self, row: int, kind: int) -> bool:
        """Tell whether a synset is of a kind: the kind itself or somewhere below it."""
        return any(kind in path for path in self.hypernym_paths(row))

    def below(self, kind: int) -> Bools:
        """Mark a synset and all that are of its kind.

        Returns:
            bool of shape (synsets,).
        """
        children, parents = self._edges
        marked = np.zeros(len(self), np.bool_)
        marked[kind] = True
        level = np.array([kind])
        while level.size:
            level = children[np.isin(parents, level)]
            level = level[~marked[level]]
            marked[level] = True
        return marked

    @cached_property
    def _edges(self) -> tuple[Int64s, Int32s]:
        ends, parents = self.hypernyms
        return np.repeat(np.arange(len(self)), np.diff(ends)), parents

    def query_synsets(self) -> tuple[Int32s, Int32s]:
        """Give the synsets of every query.

        Returns:
            Ends, int32 of shape (queries + 1,), and rows, int32: those of query q are
            rows[ends[q]:ends[q + 1]], the most common first; none for a query that
            WordNet does not have.
        """
        lengths = np.append(np.diff(self._sense_ends), 0)[self._query_words]  # word -1 is the last: none
        ends = np.append(0, np.cumsum(lengths)).astype(np.int32)
        starts = np.append(self._sense_ends[:-1], 0)[self._query_words]
        places = np.arange(ends[-1]) + np.repeat(starts - ends[:-1], lengths)
        return ends, self._senses[places]

    def queries_below(self, kind: str, *, any_sense: bool = False) -> Int32s:
        """List the queries that are of a kind.

        Args:
            kind: a synset's name or a word; see `find`.
            any_sense: take a query if any of its synsets is of the kind, not only its first.

        Returns:
            Ids, sorted.

        Raises:
            UserError: there is no such kind.
        """
        marked = self.below(self.find(kind))
        ends, rows = self.query_synsets()
        queries = np.repeat(np.arange(ends.size - 1, dtype=np.int32), np.diff(ends))
        counts = marked[rows]
        if not any_sense:
            first = np.zeros(rows.size, np.bool_)
            first[ends[:-1][np.diff(ends) > 0]] = True
            counts &= first
        found: Int32s = np.unique(queries[counts])
        return found


def count_rows_with(ids: Int32s, lists: Iterable[tuple[Int64s, Int32s]]) -> int:
    """Count the rows that have at least one of some queries: "animals: 12,345 pairs".

    Args:
        ids: of the queries, such as `Ontology.queries_below` gives.
        lists: batch by batch, the query ids of each row as offsets, shape (rows + 1,),
            and ids: those of row i are ids[offsets[i]:offsets[i + 1]].

    Returns:
        Rows, each counted once however many of the queries it has.
    """
    total = 0
    for offsets, of_rows in lists:
        before = np.append(0, np.cumsum(np.isin(of_rows, ids)))
        total += int(np.count_nonzero(before[offsets[1:]] > before[offsets[:-1]]))
    return total
