"""Block lists: files of hosts or of texts that are not wanted, one entry a line.

Empty lines and those that begin with # are passed over.
"""

from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa

from wit_builder import storage
from wit_builder.errors import UserError
from wit_builder.filtering import Filter, Mask, text_filter, url_filter
from wit_builder.hosts import host_of, hosts_of
from wit_builder.records import DropReason
from wit_builder.text import tokenize


def read_entries(path: str) -> list[str]:
    """Read the entries of a block list.

    Raises:
        UserError: the file is missing, is not UTF-8 or has no entry.
    """
    try:
        lines = [line.strip() for line in storage.read_bytes(path).decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise UserError(f"block list {path} is not UTF-8 ({error}); write it as UTF-8") from None
    entries = [line for line in lines if line and not line.startswith("#")]
    if not entries:
        raise UserError(f"block list {path} has no entry; write one a line, or leave the option out")
    return entries


def host_filter(path: str) -> Filter:
    """Drop URLs of hosts in a file: an entry names the host and all hosts below it.

    The entry example.com stops example.com and img.example.com, not badexample.com.

    Raises:
        UserError: the file cannot be read, or an entry is no host.
    """
    blocked = {_host_of_entry(entry, path) for entry in read_entries(path)}

    def drops_host(host: str) -> bool:
        return any(above in blocked for above in _above(host))

    def drops_of(urls: pa.Array) -> Mask:
        hosts, indices = hosts_of(urls)
        mask: Mask = np.array([drops_host(host) for host in hosts], dtype=bool)[indices]
        return mask

    return url_filter(DropReason.BLOCKED_HOST, lambda url: drops_host(host_of(url)), drops_of)


def _host_of_entry(entry: str, path: str) -> str:
    host = host_of(f"http://{entry.lower()}/")
    if not host or set(entry) & set("/:@*? "):
        raise UserError(
            f"block list {path} has the entry {entry!r}, which is no host; write it as example.com"
        )
    return host


def _above(host: str) -> Iterable[str]:
    """Give a host and the domains that it lies in."""
    while host:
        yield host
        host = host.partition(".")[2]


def text_list_filter(path: str) -> Filter:
    """Drop texts that contain an entry of a file, word by word; words are those of `wit_builder.text`.

    The entry "stock photo" stops "A Stock-Photo of dogs", not "stock photos".

    Raises:
        UserError: the file cannot be read, or an entry has no word.
    """
    contains = _finder(_words_of_entry(entry, path) for entry in read_entries(path))

    def drops_of(texts: pa.Array) -> Mask:
        return np.array([contains(text) for text in texts.to_pylist()], dtype=bool)

    return text_filter(DropReason.BLOCKED_TEXT, contains, drops_of)


def _words_of_entry(entry: str, path: str) -> tuple[str, ...]:
    words = tuple(tokenize(entry))
    if not words:
        raise UserError(f"block list {path} has the entry {entry!r}, which has no word; remove it")
    return words


def _finder(entries: Iterable[tuple[str, ...]]) -> Callable[[str], bool]:
    by_first: dict[str, set[tuple[str, ...]]] = {}
    for entry in entries:
        by_first.setdefault(entry[0], set()).add(entry)

    def contains(text: str) -> bool:
        words = tokenize(text)
        return any(
            tuple(words[start : start + len(entry)]) == entry
            for start, word in enumerate(words)
            for entry in by_first.get(word, ())
        )

    return contains
