"""WARC and WAT archives: the slices they are read in."""

from wit_builder import storage


def slices_of(path: str, slice_bytes: int) -> list[tuple[int, int]]:
    """Cut an archive into byte ranges that are read apart.

    A record belongs to the slice in which its gzip member, or the plain record, begins.
    A zstd archive is one slice.

    Args:
        path: WARC or WAT, plain, gzip or zstd.
        slice_bytes: length of each range but the last.

    Returns:
        (start, end) in bytes, in order, without gaps.

    Raises:
        UserError: the file is not there.
    """
    size = storage.size(path)
    if path.endswith(".zst") or size <= slice_bytes:
        return [(0, size)]
    return [(start, min(start + slice_bytes, size)) for start in range(0, size, slice_bytes)]
