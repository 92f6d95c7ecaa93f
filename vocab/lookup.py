"""Find all queries in texts: hashes of runs of words, looked up in a sorted table.

The table has a row for every query and for every beginning of one ("new york"
begins "new york city"). A run is made longer only where the table says that some
query goes on, so a long query costs nothing where it cannot occur.

Two runs of words in the table with one hash are refused when it is built (a chance
of 1e-8 for 500,000 queries); that words outside the table have the hash of one
inside happens once in 10^13 look-ups and is not checked.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vocab import artifact, runs
from vocab.sorted_hashes import SortedHashes
from wit_builder import storage
from wit_builder.errors import UserError
from wit_builder.hashing import UInt64s

_VERSION = "1"
_NO_QUERY = -1
_SCHEMA = pa.schema(
    [
        pa.field("hash", pa.uint64(), nullable=False),  # ascending
        pa.field("query_id", pa.int32(), nullable=False),  # -1: only the beginning of queries
        pa.field("goes_on", pa.uint8(), nullable=False),  # 1: some longer query begins so
    ]
)

Ids = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]


def build_index(queries: Sequence[str], digest: str) -> bytes:
    """Make the matcher index of a vocabulary; the same bytes for the same queries.

    Args:
        queries: by id, in `query_key` form: words with one space between.
        digest: of the vocabulary.

    Returns:
        An uncompressed Arrow IPC file.

    Raises:
        ValueError: a query stands twice or has no word.
        UserError: two runs of words have one hash.
    """
    ids = {query: query_id for query_id, query in enumerate(queries)}
    if len(ids) != len(queries) or "" in ids:
        raise ValueError("a query stands twice or has no word")
    beginnings = {start for query in queries for start in _beginnings(query)}
    texts = sorted(ids.keys() | beginnings)
    hashes = runs.hash_runs([text.split(" ") for text in texts])
    order = np.argsort(hashes)
    hashes, texts = hashes[order], [texts[row] for row in order]
    same = np.flatnonzero(hashes[1:] == hashes[:-1])
    if same.size:
        pair = f"{texts[same[0]]!r} and {texts[same[0] + 1]!r}"
        raise UserError(f"{pair} have the same 64-bit hash; leave one out of the vocabulary")
    columns = [
        pa.array(hashes),
        pa.array([ids.get(text, _NO_QUERY) for text in texts], pa.int32()),
        pa.array([text in beginnings for text in texts]).cast(pa.uint8()),
    ]
    words = max(query.count(" ") + 1 for query in queries)
    facts = {"version": _VERSION, "vocabulary": digest, "max_words": str(words)}
    batch = pa.RecordBatch.from_arrays(columns, schema=_SCHEMA.with_metadata(facts))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _beginnings(query: str) -> Iterator[str]:
    end = query.find(" ")
    while end >= 0:
        yield query[:end]
        end = query.find(" ", end + 1)


class QueryIndex:
    """The matcher index of a vocabulary, mapped into memory: workers of a machine share it.

    Args:
        hashes: of the runs in the table, ascending, uint64 of shape (m,).
        query_ids: the query that each run is, or -1, int32 of shape (m,).
        goes_on: whether a longer query begins so, uint8 of shape (m,).
        digest: of the vocabulary.
    """

    def __init__(self, hashes: UInt64s, query_ids: Ids, goes_on: npt.NDArray[np.uint8], digest: str) -> None:
        self.digest = digest
        self._hashes = SortedHashes(hashes)
        self._query_ids = query_ids
        self._goes_on = goes_on

    @classmethod
    def open(cls, folder: str, expected_digest: str | None = None) -> "QueryIndex":
        """Map the index of a vocabulary folder; a remote one is copied to this machine once.

        Args:
            folder: that `write_vocabulary` wrote.
            expected_digest: of the vocabulary that the caller means; None takes any.

        Raises:
            UserError: there is no index, it is damaged or of another vocabulary.
        """
        path = storage.join(folder, artifact.MATCHER)
        local = storage.local_copy(path, artifact.read_digest(folder, artifact.MATCHER))
        try:
            table = pa.ipc.open_file(pa.memory_map(local)).read_all()
        except (OSError, pa.ArrowInvalid) as error:
            reason = str(error).partition("\n")[0]
            raise UserError(f"{path} cannot be read: {reason}; run `wit vocab build` again") from None
        if not table.schema.equals(_SCHEMA) or _fact(table, "version") != _VERSION:
            raise UserError(f"{path} is not a matcher index of this version; run `wit vocab build` again")
        digest = _fact(table, "vocabulary")
        if expected_digest not in (None, digest):
            raise UserError(
                f"{path} belongs to the vocabulary {digest[:12]}, not {expected_digest[:12]}; "
                "run `wit vocab build` again, or name the other folder"
            )
        hashes, query_ids, goes_on = (column.chunk(0).to_numpy() for column in table.columns)
        return cls(hashes, query_ids, goes_on, digest)

    def lookup(self, token_lists: Sequence[Sequence[str]]) -> tuple[Int64s, Ids]:
        """Find the queries whose words stand in a row in each text.

        Overlapping and nested queries all count.

        Args:
            token_lists: the words of n texts, as `wit_builder.text.tokenize` gives
                them; about 1,000 texts a call are fastest.

        Returns:
            Offsets, int64 of shape (n + 1,), and ids, int32: those of text i are
            ids[offsets[i]:offsets[i + 1]], sorted and unique.
        """
        lengths = np.fromiter(map(len, token_lists), np.int64, len(token_lists))
        words = runs.word_states(token_lists)
        text_of = np.repeat(np.arange(len(token_lists)), lengths)
        end_of = np.cumsum(lengths)
        starts, states, length = np.arange(words.size), words, 1
        found = [np.empty(0, np.int64)]  # text << 32 | query id
        while starts.size:
            rows, known = self._hashes.find(runs.finish(states, length))
            starts, states = starts[known], states[known]
            ids = self._query_ids[rows]
            hit = ids != _NO_QUERY
            found.append(text_of[starts[hit]] << 32 | ids[hit])
            on = (self._goes_on[rows] != 0) & (starts + length < end_of[text_of[starts]])
            starts = starts[on]
            states = runs.grow(states[on], words[starts + length])
            length += 1
        pairs = np.sort(np.concatenate(found))
        pairs = pairs[np.diff(pairs, prepend=-1) != 0]
        offsets = np.searchsorted(pairs, np.arange(len(token_lists) + 1) << 32)
        return offsets.astype(np.int64), (pairs & 0xFFFFFFFF).astype(np.int32)

    def lookup_one(self, tokens: Sequence[str]) -> list[int]:
        """As `lookup`, for one text."""
        ids: list[int] = self.lookup([tokens])[1].tolist()
        return ids


def _fact(table: pa.Table, name: str) -> str:
    facts: dict[bytes, bytes] = table.schema.metadata or {}
    return facts.get(name.encode(), b"").decode()
