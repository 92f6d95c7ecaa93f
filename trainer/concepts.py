"""How often to take each sample when a training balances its queries on line.

Offline, a pair is kept if one of its queries selects it, a query of `count` pairs
with probability min(1, cap / count) (MetaCLIP: Xu et al. 2023, algorithm 1). Here
that probability is the sample's weight in every epoch's draw, so no pair is thrown away.
"""

import io

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trainer.shard_index import ShardIndex
from wit_builder.storage import UserError, basename, exists, read_bytes

QUERIES = "matched_query_ids"


def concept_weights(index: ShardIndex, cap: int) -> npt.NDArray[np.float64]:
    """Weigh each sample by 1 - prod over its queries of (1 - min(1, cap / count)).

    Args:
        index: shards of ours: the Parquet file beside each tar holds the queries.
        cap: pairs of a query to aim at. Counts are those in these shards.

    Returns:
        float64 of shape (samples,), 0 to 1; 0 for a sample that matches no query.

    Raises:
        UserError: a shard has no such file or column, or another number of samples;
            or no sample matches a query.
    """
    per_shard = np.bincount(index.entries["shard"], minlength=len(index.paths))
    shards = list(zip(index.paths, per_shard.tolist(), strict=True))  # read twice: what they hold is not kept
    counts = np.zeros(1, np.int64)
    for path, count in shards:
        queries = _queries(path, count)
        found = np.bincount(queries.flatten().to_numpy(), minlength=len(counts))
        found[: len(counts)] += counts
        counts = found
    if not counts.any():
        raise UserError("no sample matches a query: balance online has nothing to go by; leave it out")
    chosen = np.minimum(1, cap / np.maximum(counts, 1))  # (queries,)
    return np.concatenate([_weights(_queries(path, count), chosen) for path, count in shards])


def _queries(path: str, count: int) -> pa.ListArray:
    table_path = path.removesuffix(".tar") + ".parquet"
    remedy = "use shards of `wit shards`, or leave balance out"
    if not exists(table_path):
        raise UserError(f"balance online needs {table_path}, which is not there; {remedy}")
    file = pq.ParquetFile(io.BytesIO(read_bytes(table_path)))
    if missing := {"status", QUERIES} - set(file.schema_arrow.names):
        raise UserError(f"{table_path} has no column {sorted(missing)[0]}; {remedy}")
    table = file.read(columns=["status", QUERIES])
    kept = table.filter(pc.equal(table["status"], "success"))[QUERIES].combine_chunks()
    if len(kept) != count:
        told = f"{basename(table_path)} tells of {len(kept)}"
        raise UserError(f"{basename(path)} has {count} complete samples, {told}; {remedy}")
    return kept


def _weights(queries: pa.ListArray, chosen: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        missed = np.log1p(-chosen)  # (queries,): log of the chance that a query passes over its pair
    parents = queries.value_parent_indices().to_numpy()
    return 1 - np.exp(np.bincount(parents, missed[queries.flatten().to_numpy()], minlength=len(queries)))
