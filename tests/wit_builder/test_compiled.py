from typing import Any

import numba
import numpy as np
import pytest

from wit_builder.compiled import compiled, helper, load_8_bytes, read_only


@pytest.mark.parametrize("error", [RuntimeError("no locator available"), OSError(28, "No space left")])
def test_without_room_for_the_cache_a_function_is_compiled_all_the_same(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    made: list[dict[str, Any]] = []
    njit = numba.njit

    def refusing(*given: Any, **options: Any) -> Any:
        if given == ("int64(int64)",):  # numba calls it for its own functions, too
            made.append(options)
            if options:
                raise error
        return njit(*given, **options)

    monkeypatch.setattr(numba, "njit", refusing)

    @compiled("int64(int64)")
    def double(number: int) -> int:
        return 2 * number

    assert made == []  # nothing is compiled before it is needed
    assert [double(1), double(2)] == [2, 4]
    assert made == [{"cache": True}, {}]


def test_eight_bytes_are_read_at_any_place_of_an_array_that_may_not_be_written() -> None:
    @helper
    def both(data: Any, at: Any) -> Any:
        return load_8_bytes(data, at), load_8_bytes(data, at + 1)

    @compiled(f"UniTuple(uint64, 2)({read_only('uint8')}, int64)")
    def load(data: Any, at: int) -> Any:
        return both(data, at)

    data = np.frombuffer(b"0123456789ab", np.uint8)
    assert load(data, 2) == tuple(int.from_bytes(data.tobytes()[at : at + 8], "little") for at in (2, 3))
