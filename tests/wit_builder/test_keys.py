import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pairs import matched
from wit_builder import keys
from wit_builder.hashing import uid_halves

NOTHING = np.empty((0, 2), np.uint64)


def row(url: str, page: str, source: str = "alt", archive: str = "a", offset: int = 0) -> dict[str, object]:
    (pair,) = matched([(url, [1])], page).to_pylist()
    return {**pair, "text_source": source, "archive": archive, "archive_offset": offset}


def representatives(groups: list[list[dict[str, object]]], bits: int = 1) -> list[dict[str, object]]:
    """Keep one row per uid as the road does: groups, then buckets, then the rows that did not lose."""
    divided = [keys.divide_keys(keys.keys_of(batches(group)), bits) for group in groups]
    merged = [
        keys.merge_keys([segments[bucket] for segments, _ in divided], NOTHING) for bucket in range(1 << bits)
    ]
    stay: list[dict[str, object]] = []
    for index, (group, (_, already)) in enumerate(zip(groups, divided, strict=True)):
        lost = keys.lost_rows([part.lost[index] for part in merged], already)
        for batch, mask in keys.mark_lost(batches(group), lost):
            stay += batch.filter(pa.array(~mask)).to_pylist()
    assert sum(part.distinct.num_rows for part in merged) == len(stay)
    return stay


def batches(rows: list[dict[str, object]]) -> list[pa.RecordBatch]:
    schema = matched([]).schema
    return [pa.RecordBatch.from_pylist(rows[start : start + 3], schema) for start in range(0, len(rows), 3)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcd"),
            st.sampled_from(["p", "pa", "q", "p/é", ""]),
            st.sampled_from(["alt", "og"]),
        ),
        max_size=40,
    ),
    st.randoms(use_true_random=False),
)
def test_of_one_uid_the_smallest_page_and_source_represents(
    found: list[tuple[str, str, str]], order: random.Random
) -> None:
    rows = [row(*each) for each in found]
    order.shuffle(rows)
    cuts = sorted(order.randint(0, len(rows)) for _ in range(3))
    groups = [rows[first:last] for first, last in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    stay = {str(each["uid"]): (each["page_url"], each["text_source"]) for each in representatives(groups)}
    expected: dict[str, tuple[object, object]] = {}
    for each in rows:
        place = (each["page_url"], each["text_source"])
        expected[str(each["uid"])] = min(place, expected.get(str(each["uid"]), place))
    assert stay == expected


def test_of_two_captures_of_a_page_the_same_one_stays_in_any_order() -> None:
    captures = [row("a", "p", archive=name, offset=offset) for name in "xyz" for offset in (1, 2)]
    stay = [representatives([captures[start:], captures[:start]])[0] for start in range(6)]
    assert all(each == stay[0] for each in stay)


def test_one_uid_may_fill_a_whole_group() -> None:
    rows = [row("a", f"page-{number:04d}") for number in range(1_000)]
    (stays,) = representatives([rows[::-1], rows[500:]])
    assert stays["page_url"] == "page-0000"


def test_uids_with_equal_first_halves_are_told_apart() -> None:
    uids = np.array([[5, 2], [5, 1], [5, 2], [4, 9]], np.uint64)
    place = pa.chunked_array([["b", "a", "a", "z"]])
    stay, lost = keys.keep_one_per_uid(uids, place, np.zeros(4, np.uint64))
    assert (stay.tolist(), lost.tolist()) == ([3, 1, 2], [0])


def test_uids_seen_before_are_marked() -> None:
    table = keys.keys_of([matched((f"http://{n}", [n]) for n in range(50))])
    uids = uid_halves(matched((f"http://{n}", [n]) for n in range(40, 90)).column("uid"))
    segments, _ = keys.divide_keys(table, 0)
    merged = keys.merge_keys(segments, uids[np.lexsort((uids[:, 1], uids[:, 0]))])
    flat = merged.distinct.to_pylist()
    assert sorted(each["matched_query_ids"][0] for each in flat if each["seen"]) == list(range(40, 50))
    assert len(flat) == 50


@pytest.mark.parametrize("bits", [0, 1, 3, 6])
def test_buckets_are_equal_ranges_and_nest(bits: int) -> None:
    high = np.sort(np.random.default_rng(0).integers(0, 2**64, 1_000, np.uint64))
    edges = keys.bucket_edges(high, bits)
    assert (edges[0], edges[-1], len(edges)) == (0, 1_000, (1 << bits) + 1)
    for bucket in range(1 << bits):
        inside = high[edges[bucket] : edges[bucket + 1]]
        assert all(int(value) >> (64 - bits) == bucket for value in inside)
    assert keys.bucket_edges(high, bits + 1)[::2].tolist() == edges.tolist()


def test_groups_hold_whole_parts_and_about_so_many_rows() -> None:
    parts = [f"p{index}" for index in range(7)]
    assert keys.group_parts(parts, [10, 10, 10, 50, 1, 1, 0], 20) == [
        ("p0", "p1"),
        ("p2",),
        ("p3",),
        ("p4", "p5", "p6"),
    ]
    assert keys.group_parts(parts[:2], [0, 0], 20) == [("p0", "p1")]


def test_sizes_grow_only_when_there_would_be_too_many_groups() -> None:
    sizes = {10: 200_000, 10**6: 200_000, 10**7: 500_000, 10**8: 500_000, 10**9: 3_000_000, 10**10: 3_000_000}
    assert {rows: keys.rows_per_item(rows) for rows in sizes} == sizes
    assert [keys.bucket_bits(rows, 500_000) for rows in (0, 500_000, 500_001, 10**8)] == [0, 0, 1, 8]
