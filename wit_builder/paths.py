"""Which archives the user means: paths, globs and Common Crawl's path lists."""

import gzip
from collections.abc import Iterable

from wit_builder import storage
from wit_builder.errors import UserError

_LIST_ENDINGS = (".paths.gz", ".paths")


def expand_archives(names: Iterable[str], root: str) -> list[str]:
    """List the archives that some names stand for, in order, without repeats.

    Args:
        names: paths, globs, or lists of paths one a line (*.paths, *.paths.gz).
        root: prefix of the paths in a list.

    Raises:
        UserError: a file is missing or a list cannot be read.
    """
    archives: dict[str, None] = {}
    for name in names:
        if name.endswith(_LIST_ENDINGS):
            archives.update(dict.fromkeys(storage.join(root, line) for line in _read_list(name)))
        else:
            archives.update(dict.fromkeys(storage.expand(name)))
    return list(archives)


def _read_list(path: str) -> list[str]:
    data = storage.read_bytes(path)
    try:
        text = gzip.decompress(data) if path.endswith(".gz") else data
        lines = text.decode().split()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no list of paths ({error}); download it again") from None
    if not lines:
        raise UserError(f"{path} names no archive; download it again")
    return lines
