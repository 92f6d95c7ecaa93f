"""The matcher index of a vocabulary: built once, mapped into memory by all workers of a machine.

It holds the two hash tables of `vocab.table`. How a text is cut into words is not its
business: `wit_builder.tokens` has the rules.
"""

import hashlib
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vocab import artifact, table
from vocab.table import Int32s, Int64s, UInt32s, UInt64s
from wit_builder import storage
from wit_builder.errors import UserError
from wit_builder.tokens import SPARE, Words

_VERSION = "2"
_PLACES_PER_KEY = 2  # half full: a look-up sees 1.5 places on average, 2.5 for what is not there
_TABLE = pa.list_(pa.field("item", pa.uint64(), nullable=False))
_SCHEMA = pa.schema(  # one row, whose lists are the arrays of `vocab.table`
    [
        pa.field("words", _TABLE, nullable=False),
        pa.field("run_keys", _TABLE, nullable=False),
        pa.field("run_values", pa.list_(pa.field("item", pa.uint32(), nullable=False)), nullable=False),
    ]
)


def build_index(queries: Sequence[str], digest: str) -> bytes:
    """Make the matcher index of a vocabulary; the same bytes for the same queries.

    Args:
        queries: by id, in `query_key` form: words with one space between.
        digest: of the vocabulary.

    Returns:
        An uncompressed Arrow IPC file.

    Raises:
        ValueError: a query stands twice or has no word.
        UserError: two words have one hash.
    """
    if len(set(queries)) != len(queries) or "" in queries:
        raise ValueError("a query stands twice or has no word")
    split = [query.split(" ") for query in queries]
    lengths = np.fromiter(map(len, split), np.int64, len(split))
    words, slot_of = _word_table(sorted(set(chain.from_iterable(split))))
    slots = np.fromiter(map(slot_of.__getitem__, chain.from_iterable(split)), np.uint32)
    rows = _PLACES_PER_KEY * (slots.size - lengths.size) + 1  # never full, also without a run
    keys, values = np.zeros(rows, np.uint64), np.zeros(rows, np.uint32)
    table.add_queries(slots, np.append(0, np.cumsum(lengths)), words, keys, values)
    facts = {"version": _VERSION, "vocabulary": digest, "max_words": str(lengths.max())}
    columns = [_in_one_row(array) for array in (words, keys, values)]
    batch = pa.RecordBatch.from_arrays(columns, schema=_SCHEMA.with_metadata(facts))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _in_one_row(array: npt.NDArray[Any]) -> pa.ListArray:
    item = pa.field("item", pa.from_numpy_dtype(array.dtype), nullable=False)
    offsets = pa.array([0, array.size], pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(array), type=pa.list_(item))


def _word_table(words: Sequence[str]) -> tuple[UInt64s, dict[str, int]]:
    """Make the table of words and give the slot of each."""
    encoded = [word.encode() for word in words]
    data = np.frombuffer(b"".join([*encoded, bytes(SPARE)]), np.uint8)
    ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)))
    edges = np.repeat(np.append(0, ends), 2)[1:-1]
    places = np.zeros(2 * _PLACES_PER_KEY * len(words), np.uint64)
    slots = np.empty(len(words), np.uint32)
    table.add_words(data, edges, places, slots)
    first = {slot: word for word, slot in zip(reversed(words), reversed(slots.tolist()), strict=True)}
    for word, slot in zip(words, slots.tolist(), strict=True):
        if first[slot] != word:
            raise UserError(
                f"{first[slot]!r} and {word!r} have the same 95-bit hash; leave one out of the vocabulary"
            )
    return places, dict(zip(words, slots.tolist(), strict=True))


class QueryIndex:
    """The matcher index of a vocabulary.

    Args:
        words: the table of words of `vocab.table`: key and value of each slot.
        run_keys: the keys of its table of runs.
        run_values: the values of its table of runs.
        max_words: words of the longest query.
        digest: of the vocabulary.
    """

    def __init__(
        self, words: UInt64s, run_keys: UInt64s, run_values: UInt32s, max_words: int, digest: str
    ) -> None:
        self.digest = digest
        self._tables = (words, run_keys, run_values, max_words)

    @classmethod
    def open(cls, folder: str, expected_digest: str | None = None) -> "QueryIndex":
        """Map the index of a vocabulary folder; a remote one is copied to this machine once.

        Args:
            folder: that `write_vocabulary` wrote.
            expected_digest: of the vocabulary that the caller means; None takes any.

        Raises:
            UserError: there is no index, it is damaged, of another version or of
                another vocabulary.
        """
        path = storage.join(folder, artifact.MATCHER)
        noted = artifact.read_digest(folder, artifact.MATCHER)
        try:
            mapped = pa.memory_map(storage.local_copy(path, noted))
        except (OSError, pa.ArrowInvalid) as error:
            reason = str(error).partition("\n")[0]
            raise UserError(f"{path} cannot be read: {reason}; run `wit vocab build` again") from None
        if hashlib.sha256(mapped.read_buffer()).hexdigest() != noted:
            raise UserError(
                f"{path} is damaged: its SHA-256 is not the one noted; run `wit vocab build` again"
            )
        mapped.seek(0)
        index = cls.read(mapped, path)
        if expected_digest not in (None, index.digest):
            raise UserError(
                f"{path} belongs to the vocabulary {index.digest[:12]}, not {expected_digest[:12]}; "
                "run `wit vocab build` again, or name the other folder"
            )
        return index

    @classmethod
    def read(cls, source: pa.NativeFile | pa.Buffer, name: str) -> "QueryIndex":
        """Read what `build_index` made, without a copy.

        Args:
            source: its bytes.
            name: of the source, for people.

        Raises:
            UserError: it is none of this version.
        """
        try:
            rows = pa.ipc.open_file(source).read_all()
        except pa.ArrowInvalid:
            rows = pa.table({})
        facts = {key.decode(): value.decode() for key, value in (rows.schema.metadata or {}).items()}
        if not rows.schema.equals(_SCHEMA) or facts.get("version") != _VERSION:
            raise UserError(f"{name} is not a matcher index of this version; run `wit vocab build` again")
        words, keys, values = (column.chunk(0).values.to_numpy() for column in rows.columns)
        return cls(words, keys, values, int(facts["max_words"]), facts["vocabulary"])

    def lookup(self, words: Words) -> tuple[Int64s, Int32s]:
        """Find the queries whose words stand in a row in each text.

        Overlapping and nested queries all count.

        Args:
            words: of n texts; about 1,000 texts a call are fastest.

        Returns:
            Offsets, int64 of shape (n + 1,), and ids, int32: those of text i are
            ids[offsets[i]:offsets[i + 1]], sorted and unique.
        """
        return table.find_queries(words.data, words.edges, words.firsts, *self._tables)
