"""One byte range of a shard: by a file kept open on this machine, by one request elsewhere."""

import os
from functools import lru_cache
from typing import IO

from wit_builder.storage import UserError, is_local, read_range

OPEN_FILES = 256  # a process; the usual limit is 1,024


def read(path: str, start: int, length: int) -> bytes:
    """Read `length` bytes from `start` on; fewer if the file ends before.

    Raises:
        UserError: the file is not there any more.
    """
    try:
        if is_local(path):
            return os.pread(_opened(path.removeprefix("file://")).fileno(), length, start)
        return read_range(path, start, length)
    except FileNotFoundError:
        raise UserError(f"{path} is gone; put it back, or train on the shards that are there") from None


@lru_cache(maxsize=OPEN_FILES)
def _opened(path: str) -> IO[bytes]:
    return open(path, "rb", buffering=0)  # closed when it falls out of the cache
