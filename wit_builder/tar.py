"""USTAR archives, written so that equal members give equal bytes."""

import tarfile
from typing import IO

BLOCK = 512
END_OF_ARCHIVE = bytes(2 * BLOCK)


class TarWriter:
    """Appends members to an open file: mode 0644, owner 0, mtime 0, no extensions.

    Args:
        handle: open for writing, at its begin.
    """

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self._offset = 0

    def add(self, name: str, data: bytes) -> int:
        """Append one member and give the byte offset of its data.

        Raises:
            ValueError: the name is longer than USTAR allows.
        """
        header = tarfile.TarInfo(name)
        header.size = len(data)
        padding = bytes(-len(data) % BLOCK)
        self._handle.write(header.tobuf(tarfile.USTAR_FORMAT))
        self._handle.write(data)
        self._handle.write(padding)
        start = self._offset + BLOCK
        self._offset = start + len(data) + len(padding)
        return start

    def close(self) -> None:
        """Write the end-of-archive blocks; the file itself stays open."""
        self._handle.write(END_OF_ARCHIVE)
