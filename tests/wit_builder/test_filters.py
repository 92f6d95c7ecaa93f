import pytest

from wit_builder.errors import UserError
from wit_builder.filters import FilterOptions, first_reason, make_filters
from wit_builder.records import DropReason

SPEC = [
    ("http://a/b.jpg", "a brown dog", None),
    ("http://a/b.jpg", "犬と猫", None),
    ("http://a/b.jpg", "ab", DropReason.TEXT_TOO_SHORT),
    ("http://a/b.jpg", "x" * 1001, DropReason.TEXT_TOO_LONG),
    ("http://a/b.jpg", "IMG_1234.JPG", DropReason.TEXT_IS_FILE_NAME),
    ("http://a/b.jpg", "12.34 / 56", DropReason.TEXT_NOT_WORDS),
    ("http://a/b.jpg", "🐶🐱🐶🐱", DropReason.TEXT_NOT_WORDS),
    ("http://a/b.svg", "a brown dog", DropReason.NOT_A_PHOTO_URL),
    ("http://a/b.php?x=1", "a brown dog", DropReason.NOT_A_PHOTO_URL),
    ("http://a/b.svg.jpg", "a brown dog", None),
]


@pytest.mark.parametrize(("url", "text", "reason"), SPEC)
def test_reason_of(url: str, text: str, reason: DropReason | None) -> None:
    assert first_reason(make_filters(FilterOptions()), url, text) == reason


def test_no_filters_keeps_everything() -> None:
    rules = make_filters(FilterOptions(no_filters=True))
    assert {first_reason(rules, url, text) for url, text, _ in SPEC} == {None}


@pytest.mark.parametrize(
    "options", [{"min_chars": 9, "max_chars": 3}, {"min_chars": 0}, {"min_letter_share": 1.5}]
)
def test_impossible_limits_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(UserError, match=next(iter(options))):
        FilterOptions(**options)  # type: ignore[arg-type]
