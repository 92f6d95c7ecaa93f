from dataclasses import dataclass, field

import pytest

from pipelines.options import construct, flat_fields, identity, option
from wit_builder.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float = option("Requests per second.", 1.0)


@dataclass(frozen=True, kw_only=True)
class Outer:
    names: tuple[str, ...] = option("Names.")
    output: str = option("Folder.", path=True)
    count: int | None = option("How many.", None)
    strict: bool = option("Strictly.", False)
    inner: Inner = field(default_factory=Inner)


def test_nested_fields_are_spread_out() -> None:
    assert [item.name for item, _ in flat_fields(Outer)] == ["names", "output", "count", "strict", "rate"]


def test_values_find_their_place() -> None:
    made = construct(Outer, {"names": ["a"], "output": "x", "count": 3, "rate": 2})
    assert made == Outer(names=("a",), output="x", count=3, inner=Inner(rate=2))
    assert identity(made) == {"names": ["a"], "count": 3, "strict": False, "inner": {"rate": 2}}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"names": ["a"]}, "option output is required; give --output"),
        ({"names": ["a"], "output": "x", "cont": 1}, "unknown option cont; did you mean count"),
        ({"names": "a", "output": "x"}, "option names is 'a'; it must be a list of texts"),
        ({"names": ["a"], "output": "x", "count": "3"}, "option count is '3'; it must be a whole number"),
        ({"names": ["a"], "output": "x", "count": True}, "option count is True"),
        ({"names": ["a"], "output": "x", "strict": 1}, "it must be true or false"),
        ({"names": ["a"], "output": "x", "rate": "fast"}, "it must be a number"),
        ({"names": ["a"], "output": "x", "rate": float("nan")}, "it must be a number"),
        ({"names": ["a"], "output": "x", 1: 2}, "unknown option 1"),
    ],
)
def test_wrong_values_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        construct(Outer, values)
