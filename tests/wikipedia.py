"""Exports of Wikipedia: a piece of the real one, and small made-up ones."""

import bz2
import importlib.util
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path

_ENWIKI = "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
HEAD = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">'
END = "</mediawiki>"


def enwiki_sample() -> Path:
    """Find the piece of the English Wikipedia's dump that gensim's wheel carries: 206 pages, 1.7 MB."""
    gensim = importlib.util.find_spec("gensim")
    assert gensim is not None
    assert gensim.origin is not None
    return Path(gensim.origin).parent / "test/test_data" / _ENWIKI


def page(title: str, text: str, namespace: int = 0, redirect: str | None = None) -> str:
    """Write one page."""
    leads = f'<redirect title="{escape(redirect)}" />' if redirect else ""
    revision = f'<revision><text xml:space="preserve">{escape(text)}</text></revision>'
    return f"<page><title>{escape(title)}</title><ns>{namespace}</ns>{leads}{revision}</page>\n"


def export(pages: Iterable[str]) -> bytes:
    """Write a plain export."""
    return f"{HEAD}{''.join(pages)}{END}".encode()


def multistream(pages: list[str], pages_per_stream: int) -> tuple[bytes, bytes]:
    """Write a bzip2 export of many streams, and its index, as Wikimedia does."""
    content, index = bz2.compress(HEAD.encode()), []
    for start in range(0, len(pages), pages_per_stream):
        block = pages[start : start + pages_per_stream]
        index += [f"{len(content)}:{start + number}:T\n" for number in range(len(block))]
        content += bz2.compress("".join(block).encode())
    return content + bz2.compress(END.encode()), bz2.compress("".join(index).encode())


def articles(number: int) -> Iterator[str]:
    """Write articles of Zipf-like words, with some markup."""
    for article in range(number):
        words = [f"word{(article * 7 + place * place) % (place + 3)}" for place in range(200)]
        sentences = (" ".join(words[start : start + 9]) for start in range(0, len(words), 9))
        yield page(f"T{article}", ". ".join(sentences) + f".\n[[New York]] City{article % 3}<ref>no</ref>")
