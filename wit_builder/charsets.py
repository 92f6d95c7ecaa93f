"""Decode pages as browsers do: byte order mark, HTTP header, meta element, sniffing.

Steps: HTML standard, section 13.2.3 (determining the character encoding); names of
encodings: WHATWG Encoding standard.
"""

import re
from functools import lru_cache

import webencodings

_PRESCANNED = 1024
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16be"), (b"\xff\xfe", "utf-16le"))
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)
_META = re.compile(rb"<meta[\s/]([^>]*)", re.IGNORECASE)
_ATTRIBUTE = re.compile(rb"""([^\s=/"'>]+)\s*=\s*(?:"([^"]*)|'([^']*)|([^\s"'>]+))""")
_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([^\s"';]+)""", re.IGNORECASE)
_XML = re.compile(rb"""\A<\?xml[^>]*encoding\s*=\s*["']([\w.:-]+)""")


def keeps_ascii(body: bytes) -> bool:
    """Tell that whatever ASCII a page decodes to stands in its bytes as it is.

    Of the encodings of the web those of 16 bits write it with null bytes, and only ISO-2022-JP
    has bytes that are dropped: escape sequences.
    """
    return b"\0" not in body and b"\x1b" not in body


def to_utf8(body: bytes, header_charset: str | None) -> bytes:
    """Give a page in UTF-8; what cannot be decoded becomes U+FFFD.

    Args:
        body: the page as it came.
        header_charset: what its Content-Type header names, if anything.
    """
    for mark, name in _MARKS:
        if body.startswith(mark):
            return _recoded(body[len(mark) :], name)
    encoding = _lookup(header_charset) or _declared(body[:_PRESCANNED])
    if encoding and encoding != "utf-8":
        return _recoded(body, encoding)
    if body.isascii():
        return body
    try:
        body.decode()
    except UnicodeDecodeError:
        return _recoded(body, encoding or "windows-1252")
    return body


@lru_cache(1_000)
def _lookup(label: str | None) -> str | None:
    found = webencodings.lookup(label) if label else None
    return found.name if found else None


def _declared(head: bytes) -> str | None:
    """Find the encoding that a meta element in the first 1,024 bytes, or an XML declaration, names."""
    xml = _XML.match(head)
    head = _COMMENT.sub(b"", head) if b"<!--" in head else head
    for meta in _META.finditer(head) if b"charset" in head.lower() else ():
        if b"charset" not in meta[1].lower():
            continue
        values = {name.lower(): b"".join(rest) for name, *rest in reversed(_ATTRIBUTE.findall(meta[1]))}
        label = values.get(b"charset")
        if label is None and values.get(b"http-equiv", b"").strip().lower() == b"content-type":
            found = _CHARSET.search(values.get(b"content", b""))
            label = found[1] if found else None
        name = _lookup(label.decode("latin-1")) if label else None
        if name:
            return _as_declared(name)
    return _as_declared(_lookup(xml[1].decode())) if xml else None


def _as_declared(name: str | None) -> str | None:
    """Correct a declaration that could not have been read if it were true."""
    if name in ("utf-16le", "utf-16be"):
        return "utf-8"
    return "windows-1252" if name == "x-user-defined" else name


def _recoded(body: bytes, encoding: str) -> bytes:
    text, _ = webencodings.decode(body, webencodings.lookup(encoding), errors="replace")
    recoded: bytes = text.encode("utf-8", "replace")
    return recoded
