import pytest

from wit_builder.srcset import candidates, largest


@pytest.mark.parametrize(
    ("srcset", "images"),
    [
        ("a.jpg", [("a.jpg", 1.0, False)]),
        ("a.jpg 1x, b.jpg 2.5x", [("a.jpg", 1.0, False), ("b.jpg", 2.5, False)]),
        ("a.jpg 300w,b.jpg 600w", [("a.jpg", 300.0, True), ("b.jpg", 600.0, True)]),
        ("a.jpg, b.jpg", [("a.jpg", 1.0, False), ("b.jpg", 1.0, False)]),
        ("a,b.jpg 300w", [("a,b.jpg", 300.0, True)]),
        ("  ,, a.jpg\n\t100w 50h ,", [("a.jpg", 100.0, True)]),
        (
            "data:image/gif;base64,AA 1x, b.jpg 2x",
            [("data:image/gif;base64,AA", 1.0, False), ("b.jpg", 2.0, False)],
        ),
        ("a.jpg nonsense, b.jpg 2x", [("b.jpg", 2.0, False)]),
        ("a.jpg 1x 2x, b.jpg", [("b.jpg", 1.0, False)]),
        ("a.jpg f(x, y), b.jpg", [("b.jpg", 1.0, False)]),
        ("", []),
        (" , ", []),
    ],
)
def test_a_srcset_lists_images(srcset: str, images: list[tuple[str, float, bool]]) -> None:
    assert candidates(srcset) == images


def test_the_largest_is_the_widest_and_no_placeholder() -> None:
    assert largest(["a.jpg 300w, b.jpg 900w", "c.jpg 3x"]) == "b.jpg"
    assert largest(["a.jpg, b.jpg 2x"]) == "b.jpg"
    assert largest(["a.jpg 2x, b.jpg 2x"]) == "a.jpg"
    assert largest(["data:image/gif;base64,AA 900w, b.jpg 100w"]) == "b.jpg"
    assert largest(["data:image/gif;base64,AA", ""]) is None
