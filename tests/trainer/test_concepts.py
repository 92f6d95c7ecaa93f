from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.trainer.samples import write_shards
from trainer.concepts import concept_weights
from trainer.shard_index import index_shards
from wit_builder.storage import UserError


def shards(folder: Path, queries: list[list[list[int]]]) -> str:
    """Write a shard a list, with its Parquet file; a failed row stands before the samples of each."""
    write_shards(folder, tuple(map(len, queries)))
    for shard, lists in enumerate(queries):
        status = ["failed_to_download", *["success"] * len(lists)]
        ids = pa.array([[9], *lists], pa.list_(pa.int32()))
        pq.write_table(
            pa.table({"status": status, "matched_query_ids": ids}), folder / f"{shard:05d}.parquet"
        )
    return str(folder)


def oracle(lists: list[list[int]], cap: int) -> list[float]:
    counts = {query: sum(query in other for other in lists) for queries in lists for query in queries}
    return [1 - float(np.prod([1 - min(1, cap / counts[q]) for q in queries])) for queries in lists]


def test_weights_are_the_chance_that_any_query_takes_the_pair(tmp_path: Path) -> None:
    first, second = [[0], [0, 3], [], [0, 1]], [[0], [1, 3], [3]]
    index = index_shards(shards(tmp_path, [first, second]), "txt")
    for cap in (1, 2, 3):
        assert concept_weights(index, cap) == pytest.approx(oracle(first + second, cap))
    assert concept_weights(index, 100).tolist() == [1, 1, 0, 1, 1, 1, 1]


def test_shards_without_queries(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"balance online needs .*00000\.parquet, which is not there; use"):
        concept_weights(index_shards(write_shards(tmp_path / "a", (2,)), "txt"), 1)
    folder = shards(tmp_path / "b", [[[0], [1]]])
    pq.write_table(pa.table({"status": ["success"] * 2}), tmp_path / "b" / "00000.parquet")
    with pytest.raises(UserError, match=r"00000\.parquet has no column matched_query_ids"):
        concept_weights(index_shards(folder, "txt"), 1)


def test_a_table_of_another_shard(tmp_path: Path) -> None:
    folder = shards(tmp_path, [[[0], [1]]])
    shards(tmp_path / "other", [[[0], [1], [2]]])
    (tmp_path / "other" / "00000.parquet").rename(tmp_path / "00000.parquet")
    with pytest.raises(UserError, match=r"00000\.tar has 2 complete samples, 00000\.parquet tells of 3"):
        concept_weights(index_shards(folder, "txt"), 1)


def test_nothing_matches(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no sample matches a query"):
        concept_weights(index_shards(shards(tmp_path, [[[], []]]), "txt"), 1)
