import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vocab.sorted_hashes import SortedHashes

HASHES = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1])


@given(st.sets(HASHES, min_size=1, max_size=40), st.lists(HASHES, max_size=40), st.integers(0, 40))
def test_every_hash_that_is_there_is_found(there: set[int], others: list[int], share: int) -> None:
    table = sorted(there)
    wanted = [*others, *table[:share]]
    rows, known = SortedHashes(np.array(table, np.uint64)).find(np.array(wanted, np.uint64))
    assert known.tolist() == [value in there for value in wanted]
    assert rows.tolist() == [table.index(value) for value in wanted if value in there]
