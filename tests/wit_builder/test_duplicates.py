from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store import write_store
from wit_builder.duplicates import bucket_of, keep_one_per_image
from wit_builder.hashing import mix, uid_halves, uid_of
from wit_builder.parts import read_table
from wit_builder.schemas import FETCHED_IMAGE, UNIQUE_IMAGE


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    folder = write_store(tmp_path_factory.mktemp("store"), 60, repeated=10, failed=5)
    return read_table(str(folder / "part-000-00000.parquet"))


def with_digests(index: pa.Table, digests: list[str | None]) -> pa.Table:
    rows = index.slice(0, len(digests))
    at = rows.schema.get_field_index("sha256")
    return rows.set_column(at, "sha256", pa.array(digests, pa.string()))


def reasons(rejected: pa.Table) -> Counter[str]:
    return Counter(rejected.column("drop_reason").to_pylist())


def test_one_pair_stays_per_image_and_refusals_go(index: pa.Table) -> None:
    rows, rejected = keep_one_per_image(index, 0, merge_texts=False)
    assert rows.schema == UNIQUE_IMAGE
    assert reasons(rejected) == {"duplicate_image": 10}
    digests = rows.column("sha256").drop_null().to_pylist()
    assert (len(digests), len(set(digests)), rows.num_rows) == (60, 60, 65)
    refused = index.set_column(
        index.schema.get_field_index("opt_out"), "opt_out", pa.array(["meta robots: noai"] * 75)
    )
    rows, rejected = keep_one_per_image(refused, 0, merge_texts=True)
    assert (rows.num_rows, reasons(rejected)) == (0, {"opted_out": 75})
    assert rejected.num_rows == 75
    rows, _ = keep_one_per_image(refused, 0, merge_texts=True, honour_pages=False)
    assert rows.num_rows == 65


@given(st.lists(st.sampled_from(["aa" * 32, "bb" * 32, "cc" * 32, None]), max_size=40), st.integers(0, 9))
def test_the_smallest_hash_stays(index: pa.Table, digests: list[str | None], seed: int) -> None:
    rows = with_digests(index, digests)
    unique, rejected = keep_one_per_image(rows, seed, merge_texts=True)
    assert unique.num_rows + rejected.num_rows == rows.num_rows
    hashes = mix(uid_halves(rows.column("uid"))[:, 0], seed).tolist() if digests else []
    best: dict[str, tuple[int, str]] = {}
    for uid, digest, priority in zip(rows.column("uid").to_pylist(), digests, hashes, strict=True):
        name = digest or uid
        best[name] = min(best.get(name, (priority, uid)), (priority, uid))
    assert unique.column("uid").to_pylist() == sorted(uid for _, uid in best.values())
    merged = sum(len(others or []) for others in unique.column("other_texts").to_pylist())
    assert merged == rows.num_rows - unique.num_rows


def test_the_choice_and_the_texts_do_not_depend_on_order(index: pa.Table) -> None:
    rows, _ = keep_one_per_image(index, 3, merge_texts=True)
    backwards, _ = keep_one_per_image(index.take(pa.array(np.arange(75)[::-1])), 3, merge_texts=True)
    assert rows.equals(backwards)


def test_texts_of_duplicates_are_merged(index: pa.Table) -> None:
    rows = with_digests(index, ["aa" * 32] * 3)
    unique, _ = keep_one_per_image(rows, 1, merge_texts=True)
    (others,) = unique.column("other_texts").to_pylist()
    assert [set(pair) for pair in others] == [{"uid", "url", "text"}] * 2
    assert all(pair["uid"] == uid_of(pair["url"], pair["text"]) for pair in others)


def test_equal_images_meet_in_one_bucket(index: pa.Table) -> None:
    (batch,) = index.cast(FETCHED_IMAGE).combine_chunks().to_batches()
    buckets = bucket_of(batch, 7)
    by_digest: dict[str, set[int]] = {}
    for digest, bucket in zip(batch.column("sha256").to_pylist(), buckets.tolist(), strict=True):
        by_digest.setdefault(digest, set()).add(bucket)
    assert all(len(found) == 1 for digest, found in by_digest.items() if digest)
    assert set(buckets.tolist()) == set(range(7))
