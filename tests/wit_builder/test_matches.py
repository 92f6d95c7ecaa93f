import numpy as np
import pytest

from tests.pairs import matched
from wit_builder.errors import UserError
from wit_builder.matches import count_slices, join_slices, matches_of, require_known


@pytest.mark.parametrize("wrong", [9, -1])
def test_an_id_outside_the_vocabulary_is_named(wrong: int) -> None:
    found = matches_of(matched([("http://a", [wrong])]), "matched_query_ids")
    with pytest.raises(UserError, match=f"query id {wrong} is not in the vocabulary of 6 queries"):
        require_known(found.ids, 6)


def test_slices_put_counts_at_their_ids() -> None:
    cells = [np.array([0, 5000]), np.array([5000, 5000])]
    slices = dict(count_slices(cells, 10_000))
    assert sorted(slices) == [0, 1]
    joined = join_slices(slices.items(), 10_000)
    assert (joined[0], joined[5000], joined.sum(), len(joined)) == (1, 3, 4, 10_000)


def test_matches_know_their_rows_also_in_a_slice() -> None:
    batch = matched([("http://a", [1]), ("http://b", []), ("http://c", [2, 5])]).slice(1)
    found = matches_of(batch, "matched_query_ids")
    assert (found.rows.tolist(), found.ids.tolist()) == ([1, 1], [2, 5])
