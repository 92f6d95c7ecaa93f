"""Write a Matplotlib figure to a file, the same bytes for the same data."""

import io
from pathlib import PurePosixPath
from typing import Any

from wit_builder import storage
from wit_builder.errors import UserError

FORMATS = ("png", "svg")


def write_figure(figure: Any, path: str) -> None:
    """Write a figure; its format is the path's suffix.

    Args:
        figure: matplotlib.figure.Figure (made directly, not through pyplot: no display, no state).
        path: ending in .png or .svg.

    Raises:
        UserError: another suffix, or the folder cannot be written.
    """
    import matplotlib

    suffix = PurePosixPath(path).suffix.removeprefix(".").lower()
    if suffix not in FORMATS:
        raise UserError(
            f"{path} ends in neither {' nor '.join('.' + name for name in FORMATS)}; use one of them"
        )
    buffer = io.BytesIO()
    undated = {"Date": None} if suffix == "svg" else {"Software": None}
    with matplotlib.rc_context({"svg.hashsalt": "wit-builder", "svg.fonttype": "none"}):
        figure.savefig(buffer, format=suffix, metadata=undated, bbox_inches="tight", dpi=120)
    storage.write_bytes(path, buffer.getvalue())
