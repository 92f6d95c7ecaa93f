"""The words that can be queries, as numbers that all workers share."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vocab.count import Int32s
from wit_builder import storage
from wit_builder.hashing import UInt64s


@dataclass(frozen=True)
class Lexicon:
    """A list of words in a file, which workers map into memory."""

    path: str
    digest: str
    """SHA-256 of the file, in hex."""

    @classmethod
    def save(cls, words: pa.Array, path: str) -> "Lexicon":
        """Write some words."""
        batch = pa.RecordBatch.from_arrays([words], ["word"])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write_batch(batch)
        content = sink.getvalue().to_pybytes()
        storage.write_bytes(path, content)
        return cls(path, hashlib.sha256(content).hexdigest())

    def open(self) -> pa.Array:
        """Map the words into memory, shared by the machine's workers."""
        with pa.memory_map(storage.local_copy(self.path, self.digest)) as mapped:
            return pa.ipc.open_file(mapped).read_all().column("word").combine_chunks()


def renumber(numbers: Int32s, words: pa.Array, lexicon: pa.Array) -> Int32s:
    """Number the words of some texts by a lexicon.

    Args:
        numbers: of `vocab.count.Tokens`, int32 of shape (n,).
        words: its words.
        lexicon: words, each once.

    Returns:
        int32 of shape (n,): the word's place in the lexicon + 1, or 0 for the end of
        a phrase and for a word that is not in it.
    """
    places = pc.add(pc.fill_null(pc.index_in(words, lexicon), -1), 1)
    renumbered: Int32s = np.concatenate([[0], places.to_numpy()]).astype(np.int32)[numbers]
    return renumbered


def spell_pairs(pairs: UInt64s, lexicon: pa.Array) -> pa.Array:
    """Write bigrams of a lexicon's words as texts: strings of shape (n,)."""
    first = (pairs >> np.uint64(32)).astype(np.int64) - 1
    second = (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64) - 1
    return pc.binary_join_element_wise(lexicon.take(pa.array(first)), lexicon.take(pa.array(second)), " ")
