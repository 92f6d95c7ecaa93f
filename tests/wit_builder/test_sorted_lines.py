import pytest
from hypothesis import given
from hypothesis import strategies as st

from wit_builder import sorted_lines
from wit_builder.sorted_lines import SortedLines

LINES = st.lists(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=5))


@given(LINES, st.integers(1, 7))
def test_lines_come_sorted_whatever_memory_holds(lines: list[str], held: int) -> None:
    with pytest.MonkeyPatch.context() as patch, SortedLines() as found:
        patch.setattr(sorted_lines, "LINES_IN_MEMORY", held)
        for line in lines:
            found.add(line)
        assert list(found) == sorted(f"{line}\n" for line in lines)
        assert list(found) == sorted(f"{line}\n" for line in lines)  # and again
