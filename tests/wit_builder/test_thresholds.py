import numpy as np
import pytest

from tests.balancing import exact_table
from tests.pairs import matched
from wit_builder import thresholds
from wit_builder.matches import matches_of


@pytest.fixture(autouse=True)
def many_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few matches would be read without a search."""
    monkeypatch.setattr(thresholds, "FEW", 100)


def test_few_matches_are_read_at_once() -> None:
    search = thresholds.begin(np.array([3, 40, 41]), 3)
    assert search.rows["inside"].tolist() == [40, 41]
    assert search.narrow.all()
    assert not thresholds.begin(np.array([3, 60, 41]), 3).narrow.any()


def test_only_head_queries_are_sought_and_in_a_small_interval() -> None:
    search = thresholds.begin(np.array([0, 20_000, 20_001, 10**9]), 20_000)
    assert search.rows["query"].tolist() == [2, 3]
    assert search.rows["last"][0] == thresholds.EVERYTHING
    first, last = (search.rows[name][1] / 2**64 * 10**9 for name in ("first", "last"))
    assert 18_800 < first < 18_900
    assert 21_100 < last < 21_200


def test_a_histogram_stays_small_however_many_queries_are_sought() -> None:
    for heads in (1, 10, 16_000, 500_000):
        search = thresholds.begin(np.full(heads, 10**6), 1_000)
        assert search.cells <= max(1.1 * thresholds.CELLS, 5 * heads)
        assert search.bins >= 4
        width = search.rows["last"] - search.rows["first"]
        assert (width >> search.shift < search.bins).all()


def test_the_whole_range_fits_the_bins() -> None:
    search = thresholds.begin(np.array([101]), 100)
    assert (search.rows["first"][0], search.rows["last"][0]) == (0, thresholds.EVERYTHING)
    assert int(search.rows["last"][0]) >> int(search.shift[0]) < search.bins


def test_a_wrong_guess_of_the_interval_is_noticed() -> None:
    found = [matches_of(matched((f"http://{n}", [0]) for n in range(500)), "matched_query_ids")]
    right = exact_table(found, np.array([500]), 50, 1)
    search = thresholds.begin(np.array([500]), 50)
    search.rows["last"] = search.rows["first"] + np.uint64(5)
    table = thresholds.sought_table(search, 1)
    cells = np.concatenate([thresholds.cells_of(some, table, 1) for some in found])
    search = thresholds.tighten(search, np.bincount(cells, minlength=search.cells))
    assert (search.rows["first"][0], search.rows["last"][0]) == (0, thresholds.EVERYTHING)
    assert search.rows["inside"][0] == -1
    assert right["priority"][0] < thresholds.EVERYTHING


def test_matches_that_vanish_between_passes_are_a_defect() -> None:
    search = thresholds.begin(np.array([101]), 100)
    with pytest.raises(RuntimeError, match="fewer matches than were counted"):
        thresholds.tighten(search, np.zeros(search.cells, np.int64))
    search.rows["inside"] = 3
    with pytest.raises(RuntimeError, match="other matches were found"):
        thresholds.exact_table(1, search, np.empty(0, thresholds.FOUND))


def test_expected_thresholds_are_the_share_of_the_range() -> None:
    table = thresholds.expected_table(np.array([3, 4, 10**12]), 3)
    assert table["priority"].tolist() == [2**64 - 1, 3 * 2**62 - 1, (3 << 64) // 10**12 - 1]
