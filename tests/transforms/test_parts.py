from collections import Counter
from functools import partial
from pathlib import Path

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from apache_beam.testing.util import assert_that
from hypothesis import given
from hypothesis import strategies as st

from pipelines.local import local_runner
from tests.pairs import matched
from wit_builder import schemas
from wit_builder.hashing import uid_words
from wit_builder.parts import part_path, write_part
from wit_builder.transforms.arrays import SaveArrays, SavedArray, load_arrays
from wit_builder.transforms.parts import GatherRows, split_rows


@given(st.lists(st.integers(-1, 5)))
def test_splitting_keeps_every_row_under_its_key(keys: list[int]) -> None:
    batch = pa.record_batch({"row": pa.array(range(len(keys)), pa.int64())})
    parts = dict(split_rows(batch, np.array(keys, np.int64)))
    assert {key: part.column("row").to_pylist() for key, part in parts.items()} == {
        key: [row for row, found in enumerate(keys) if found == key] for key in set(keys)
    }


def uid_bucket(batch: pa.RecordBatch, buckets: int) -> npt.NDArray[np.int64]:
    return (uid_words(batch.column("uid")) % np.uint64(buckets)).astype(np.int64)


def test_rows_are_gathered_by_bucket_and_every_missing_bucket_arrives(tmp_path: Path) -> None:
    batches = [matched((f"http://{start}-{n}", [1]) for n in range(50)) for start in range(3)]
    names = [part_path(str(tmp_path), index, 3) for index in range(3)]
    for name, batch in zip(names, batches, strict=True):
        with write_part(name, schemas.MATCHED_PAIR) as part:
            part.write(batch)
    buckets = np.concatenate([uid_bucket(batch, 1000) for batch in batches])
    expected = Counter(buckets.tolist())
    occupied = next(iter(expected))
    empty = next(bucket for bucket in range(1000) if bucket not in expected)
    missing = frozenset({occupied, empty})

    def check(gathered: list[tuple[int, list[pa.RecordBatch]]]) -> None:
        rows = {bucket: sum(batch.num_rows for batch in found) for bucket, found in gathered}
        assert rows == {occupied: expected[occupied], empty: 0}

    with beam.Pipeline(local_runner(1)) as pipeline:
        by_uid = partial(uid_bucket, buckets=1000)
        rows = pipeline | beam.Create(names) | GatherRows(by_uid, missing, schemas.MATCHED_PAIR)
        assert_that(rows | beam.MapTuple(lambda bucket, found: (bucket, list(found))), check)


@pytest.mark.parametrize("arrays", [{}, {"1": np.arange(3), "": np.array([7], np.uint64)}])
def test_arrays_come_back_through_a_file(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    path = str(tmp_path / "arrays.npz")
    with beam.Pipeline(local_runner(1)) as pipeline:
        pipeline | beam.Create(list(arrays.items())) | SaveArrays(path)
    loaded = load_arrays(path)
    assert {name: array.tolist() for name, array in loaded.items()} == {
        name: array.tolist() for name, array in arrays.items()
    }


def test_a_saved_array_is_mapped_and_checked(tmp_path: Path) -> None:
    saved = SavedArray.save(np.arange(1000), str(tmp_path / "array.npy"))
    opened = saved.open()
    assert isinstance(opened, np.memmap)
    assert opened.tolist() == list(range(1000))
