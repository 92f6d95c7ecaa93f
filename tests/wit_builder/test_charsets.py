import pytest

from wit_builder.charsets import to_utf8

META = '<meta charset="{}">'
CYRILLIC = "д"


@pytest.mark.parametrize(
    ("body", "header", "text"),
    [
        ("é".encode(), None, "é"),
        ("é".encode("latin-1"), "iso-8859-1", "é"),
        (b"\x93x\x94", "iso-8859-1", "“x”"),  # a label that stands for windows-1252
        ("é".encode("latin-1"), None, "é"),
        ("é".encode("latin-1"), "utf-8", "\ufffd"),
        ("é".encode(), "no-such-charset", "é"),
        ("é".encode("utf-8-sig"), "windows-1251", "é"),  # a byte order mark wins
        ("é".encode("utf-16"), None, "é"),
        ("你".encode("gb18030"), "GB2312", "你"),
        ("日".encode("cp932"), "shift_jis", "日"),
        ("é".encode(), "windows-1252", "Ã©"),
        (b"a\0b", "utf-8", "a\0b"),
    ],
)
def test_header_and_mark_and_sniffing(body: bytes, header: str | None, text: str) -> None:
    assert to_utf8(body, header).decode() == text


@pytest.mark.parametrize(
    "declaration",
    [
        "<meta charset=windows-1251>",
        "<META CHARSET = 'cp1251' >",
        '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">',
        '<?xml version="1.0" encoding="windows-1251"?>',
        '<!-- <meta charset="utf-8"> --><meta charset="windows-1251">',
        '<meta name="description" content="charset=utf-8"><meta charset="windows-1251">',
        '<meta charset="nonsense"><meta charset="windows-1251">',
    ],
)
def test_a_page_declares_its_charset(declaration: str) -> None:
    page = declaration + CYRILLIC
    assert to_utf8(page.encode("cp1251"), None).decode() == page
    assert to_utf8(page.encode(), "utf-8").decode() == page


def test_a_declaration_behind_the_first_kilobyte_is_not_seen() -> None:
    page = " " * 1024 + META.format("windows-1251") + CYRILLIC
    assert to_utf8(page.encode("cp1251"), None).decode().endswith("ä")


def test_a_declared_utf_16_that_can_be_read_is_utf_8() -> None:
    page = META.format("utf-16") + "é"
    assert to_utf8(page.encode(), None).decode() == page
