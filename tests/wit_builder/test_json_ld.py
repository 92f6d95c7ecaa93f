import pytest

from wit_builder.json_ld import image_objects


@pytest.mark.parametrize(
    ("content", "images"),
    [
        ('{"@type":"ImageObject","url":"a.jpg","caption":"A","name":"B"}', [("a.jpg", "A")]),
        (
            '{"@type":["Thing","ImageObject"],"contentUrl":["a.jpg"],"description":{"@value":"A"}}',
            [("a.jpg", "A")],
        ),
        ('[{"@graph":[{"@type":"ImageObject","url":{"@id":"a.jpg"},"name":"A"}]}]', [("a.jpg", "A")]),
        ('{"@type":"ImageObject","url":"a.jpg"}', []),
        ('{"@type":"ImageObject","caption":"A"}', []),
        ('{"@type":"ImageObject","url":7,"caption":null}', []),
        ('{"@type":"Article","url":"a.jpg","name":"A"}', []),
        ("{broken", []),
        ("", []),
        ("[" * 100_000, []),
    ],
)
def test_images_of_linked_data(content: str, images: list[tuple[str, str]]) -> None:
    assert list(image_objects(content)) == images
