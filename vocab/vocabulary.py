"""The vocabulary as a folder of files.

`queries.parquet` holds it, in fixed order and with the same bytes for the same
queries; `queries.json` is the plain list of texts, MetaCLIP's shape;
`matcher.arrow` is what `vocab.lookup` maps into memory and `ontology.arrow`, if there
is one, what `vocab.ontology` does.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vocab import artifact, columns
from vocab.ontology_file import build_ontology
from wit_builder import storage
from wit_builder.errors import UserError
from wit_builder.records import Query, QuerySource
from wit_builder.schemas import QUERY
from wit_builder.text import query_key


class Vocabulary:
    """A vocabulary that was written before.

    Args:
        folder: where it is.
        digest: SHA-256 of its `queries.parquet`, in hex.
        table: its rows, in `schemas.QUERY`.
    """

    def __init__(self, folder: str, digest: str, table: pa.Table) -> None:
        self.folder = folder
        self.digest = digest
        self.table = table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def texts(self) -> list[str]:
        """The queries by id."""
        return columns.to_list(self.table.column("query"))

    def id_of(self, text: str) -> int | None:
        """Give the id of a query, in whatever spelling `query_key` folds; None if it is not here."""
        place = int(pc.index(self.table.column("query"), query_key(text)).as_py())
        return None if place < 0 else place

    def query(self, query_id: int) -> Query:
        """Give one query with its sources and scores.

        Raises:
            UserError: there is no such id.
        """
        if not 0 <= query_id < len(self):
            raise UserError(f"no query {query_id} in {self.folder}; ids are 0 to {len(self) - 1}")
        row = self.table.slice(query_id, 1).to_pylist()[0]
        return Query(**{**row, "sources": tuple(map(QuerySource, row["sources"]))})


def write_vocabulary(queries: Sequence[Query], folder: str, wordnet: Any = None) -> str:
    """Write a vocabulary; its files appear complete or not at all, SHA256SUMS last.

    Args:
        queries: in the order of their ids, which are 0, 1, 2 …; texts in `query_key` form.
        folder: local or remote.
        wordnet: what `vocab.wordnet.open_wordnet` gave, to write the ontology as well.

    Returns:
        The vocabulary's digest: SHA-256 of `queries.parquet`, in hex.

    Raises:
        UserError: there are no queries, or the folder cannot be written.
        ValueError: ids are not row numbers, or a text stands twice.
    """
    from vocab.lookup import build_index  # compiled code: half a second that readers do without

    if not queries:
        raise UserError("the vocabulary would have no query; lower its thresholds or add a source")
    if [query.query_id for query in queries] != list(range(len(queries))):
        raise ValueError("query ids are not the row numbers")
    texts = [query.query for query in queries]
    parquet = _parquet(queries)
    digest = hashlib.sha256(parquet).hexdigest()
    files = {
        artifact.QUERIES: parquet,
        artifact.PLAIN_LIST: json.dumps(texts, ensure_ascii=False, indent=0).encode(),
        artifact.MATCHER: build_index(texts, digest),
    }
    if wordnet is not None:
        files[artifact.ONTOLOGY] = build_ontology(wordnet, texts, digest)
    for name, data in files.items():
        storage.write_bytes(storage.join(folder, name), data)
    artifact.write_digests(folder, {name: hashlib.sha256(data).hexdigest() for name, data in files.items()})
    return digest


def _parquet(queries: Sequence[Query]) -> bytes:
    values = [[getattr(query, name) for query in queries] for name in QUERY.names]
    table = pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(values, QUERY, strict=True)], schema=QUERY
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def open_vocabulary(folder: str) -> Vocabulary:
    """Open a vocabulary and check that it is whole.

    Raises:
        UserError: there is none, it is unfinished, or it is not the file that was written.
    """
    digest = artifact.read_digest(folder, artifact.QUERIES)
    path = storage.join(folder, artifact.QUERIES)
    data = storage.read_bytes(path)
    if hashlib.sha256(data).hexdigest() != digest:
        raise UserError(f"{path} is damaged: its SHA-256 is not the one noted; run `wit vocab build` again")
    # Arrow's threads, now and then, abort a process that ends soon after (apache/arrow#34314).
    return Vocabulary(folder, digest, pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False))
