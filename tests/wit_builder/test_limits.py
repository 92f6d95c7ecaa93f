"""Limits on lists of pairs: any division into groups and buckets gives the oracle's pairs."""

import random
from collections import Counter, defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wit_builder import keys, limits
from wit_builder.errors import UserError
from wit_builder.hashing import hash_text, mix, uid_of
from wit_builder.hosts import host_of
from wit_builder.limits import Limit, LimitOptions, Unit

Pair = tuple[str, str]
"""URL and text."""


def unit_of(pair: Pair, unit: Unit) -> object:
    url, text = pair
    return {Unit.URL: url, Unit.HOST: host_of(url), Unit.TEXT: (host_of(url), text)}[unit]


def rank(pair: Pair, limit: Limit) -> tuple[int, int]:
    uid = uid_of(*pair)
    high = np.array([int(uid[:16], 16)], np.uint64)
    return int(mix(high, hash_text(limit.unit.value, limit.seed))[0]), int(uid[16:], 16)


def oracle(pairs: set[Pair], limit: Limit) -> set[Pair]:
    """Under each key the `most` pairs of smallest rank stay; of a text that has more, none."""
    by_key = defaultdict(list)
    for pair in pairs:
        by_key[unit_of(pair, limit.unit)].append(pair)
    stay = [sorted(each, key=lambda pair: rank(pair, limit))[: limit.most] for each in by_key.values()]
    if limit.unit == Unit.TEXT:
        stay = [each for each in by_key.values() if len(each) <= limit.most]
    return {pair for each in stay for pair in each}


def batch_of(pairs: list[Pair]) -> pa.RecordBatch:
    columns = [[uid_of(*pair) for pair in pairs], [url for url, _ in pairs], [text for _, text in pairs]]
    return pa.RecordBatch.from_arrays([pa.array(column, pa.string()) for column in columns], limits.READ)


def applied(groups: list[list[list[Pair]]], limit: Limit, bits: int) -> list[Pair]:
    """Apply a limit as the road does: groups of batches, then buckets, then what stays."""
    offered = [
        limits.offer(
            limits.entries_of([(batch_of(some), np.zeros(len(some), bool)) for some in group], limit),
            limit.most,
        )
        for group in groups
    ]
    divided = [limits.divide(entries, bits) for entries, _ in offered]
    over = [
        limits.rows_over(lambda bucket=bucket: [segments[bucket] for segments in divided], limit)  # type: ignore[misc]
        for bucket in range(1 << bits)
    ]
    stay = []
    for number, (group, (_, already)) in enumerate(zip(groups, offered, strict=True)):
        lost = set(keys.lost_rows([rows[number] for rows in over], already).tolist())
        pairs = [pair for some in group for pair in some]
        stay += [pair for row, pair in enumerate(pairs) if row not in lost]
    return stay


URLS = st.sampled_from(
    [f"http://{host}/{n}" for host in ("a.org", "b.org", "b.org:80", "") for n in range(4)]
)
PAIRS = st.sets(st.tuples(URLS, st.sampled_from(["dog", "cat", "logo"])), max_size=40)


@given(
    PAIRS,
    st.sampled_from(Unit),
    st.integers(1, 5),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
    st.sampled_from([1, 7, limits.MOST_PENDING]),
)
def test_any_division_gives_the_oracles_pairs(
    pairs: set[Pair], unit: Unit, most: int, bits: int, order: random.Random, pending: int
) -> None:
    limit = Limit(unit, most, 3)
    rows = sorted(pairs)
    order.shuffle(rows)
    groups = [[rows[start : start + 4], rows[start + 4 : start + 7]] for start in range(0, len(rows), 7)] or [
        [[]]
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "MOST_PENDING", pending)
        stay = applied(groups, limit, bits)
    assert sorted(stay) == sorted(oracle(pairs, limit))


def test_a_group_offers_little_of_a_host_that_it_has_much_of() -> None:
    pairs = [(f"http://a.org/{n}", "dog") for n in range(1_000)] + [("http://b.org/", "cat")]
    limit = Limit(Unit.HOST, 10, 0)
    entries = limits.entries_of([(batch_of(pairs), np.zeros(len(pairs), bool))], limit)
    told, lost = limits.offer(entries, limit.most)
    assert sorted(Counter(told["key"].tolist()).values()) == [1, 11]
    assert len(lost) == 989


def test_rows_that_go_already_do_not_count() -> None:
    pairs = [(f"http://a.org/{n}", "dog") for n in range(10)]
    gone = np.arange(10) >= 3
    entries = limits.entries_of(
        [(batch_of(pairs[:5]), gone[:5]), (batch_of(pairs[5:]), gone[5:])], Limit(Unit.HOST, 3, 0)
    )
    assert sorted(entries["row"]) == [0, 1, 2]


def test_another_seed_keeps_other_pairs() -> None:
    pairs = [[[(f"http://a.org/{n}", "dog") for n in range(100)]]]
    kept = [set(applied(pairs, Limit(Unit.HOST, 10, seed), 0)) for seed in (0, 0, 1)]
    assert kept[0] == kept[1] != kept[2]


def test_limits_apply_in_one_order() -> None:
    options = LimitOptions(max_pairs_per_host=3, max_text_repeats=1, max_texts_per_url=2, seed=7)
    assert options.limits == [Limit(Unit.TEXT, 1, 7), Limit(Unit.URL, 2, 7), Limit(Unit.HOST, 3, 7)]
    assert [LimitOptions().any, LimitOptions(deduplicate=True).any, options.any] == [False, True, True]


@pytest.mark.parametrize("name", ["max_text_repeats", "max_texts_per_url", "max_pairs_per_host"])
def test_impossible_limits_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"{name} is 0; use 1 or more"):
        LimitOptions(**{name: 0})  # type: ignore[arg-type]


def test_an_impossible_seed_is_refused() -> None:
    with pytest.raises(UserError, match="seed is -1; use 0 to"):
        LimitOptions(seed=-1)
