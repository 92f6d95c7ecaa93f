import pytest

from wit_builder.rights import refusal_in_robots_tags, reserves_tdm

SPEC = [
    (["noai"], "noai"),
    (["index, NoImageAI"], "noimageai"),
    (["all"], None),
    (["none"], "none"),
    (["googlebot: noindex"], None),
    (["Wit-Builder: noindex"], "noindex"),
    (["*: noimageindex"], "noimageindex"),
    (["googlebot: noindex, nofollow"], None),
    (["googlebot: nofollow", "noai"], "noai"),
    (["unavailable_after: 25 Jun 2030 15:00:00 PST, noai"], "noai"),
    (["max-image-preview: large"], None),
    ([""], None),
    ([], None),
]


@pytest.mark.parametrize(("values", "directive"), SPEC)
def test_refusal_in(values: list[str], directive: str | None) -> None:
    assert refusal_in_robots_tags(values, "wit-builder") == directive


def test_only_a_one_reserves_text_and_data_mining() -> None:
    assert [reserves_tdm(value) for value in ("1", " 1 ", "0", "", None)] == [True, True, False, False, False]
