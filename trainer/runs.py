"""The output folder of a run: whose it is, whether it is complete.

`identity` is the JSON of everything that decides a run's result. A folder that
holds another identity is never overwritten.
"""

import json
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from wit_builder.storage import UserError, exists, join, read_bytes, write_bytes

MANIFEST, SUCCESS = "manifest.json", "_SUCCESS"


def is_complete(output: str, identity: dict[str, Any]) -> bool:
    """Tell whether the folder holds this run, finished.

    Raises:
        UserError: it holds another finished run.
    """
    if not exists(join(output, SUCCESS)):
        return False
    check_identity(output, json.loads(read_bytes(join(output, MANIFEST)))["identity"], identity)
    return True


def check_identity(output: str, found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Refuse to go on with another run's folder.

    Raises:
        UserError: the two differ; the message names the fields and both values.
    """
    names = sorted(found.keys() | expected.keys())
    other = [name for name in names if found.get(name) != expected.get(name)]
    if other:
        was = ", ".join(f"{name} {found.get(name)} (now {expected.get(name)})" for name in other)
        raise UserError(f"{output} holds a run with {was}; choose another output, or remove that folder")


def finish(output: str, manifest: dict[str, Any]) -> None:
    """Write the manifest, then the empty `_SUCCESS`."""
    try:
        code_version = version("wit-builder")
    except PackageNotFoundError:
        code_version = "not installed"
    write_json(join(output, MANIFEST), {"code_version": code_version, **manifest})
    write_bytes(join(output, SUCCESS), b"")


def write_json(path: str, value: Any) -> None:
    """Write a value as indented JSON, complete or not at all."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())
