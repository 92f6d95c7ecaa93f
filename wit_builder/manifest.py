"""What a stage's folder says of itself: manifest.json and `_SUCCESS`.

The manifest is written when the stage begins, so that a folder cannot take up
another run's parts, and again with the counts when it ends; `_SUCCESS` is the
last file of all.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from wit_builder import __version__, storage
from wit_builder.errors import UserError
from wit_builder.parts import PartSummary, read_summary

MANIFEST = "manifest.json"
SUCCESS = "_SUCCESS"
_FOOTER_READERS = 16

Json = Mapping[str, Any]


def is_complete(folder: str) -> bool:
    """Tell whether a stage ended here."""
    return storage.exists(storage.join(folder, SUCCESS))


def read(folder: str) -> dict[str, Any]:
    """Read a folder's manifest.

    Raises:
        UserError: there is none, or it is not JSON.
    """
    path = storage.join(folder, MANIFEST)
    if not storage.exists(path):
        raise UserError(f"{folder} has no {MANIFEST}: it is no output of a stage; check the path")
    try:
        manifest: dict[str, Any] = json.loads(storage.read_bytes(path))
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}); remove {folder} and run the stage again") from None
    return manifest


def require_complete(folder: str, stage: str) -> dict[str, Any]:
    """Read the manifest of an input folder, sure that its stage has ended.

    Raises:
        UserError: the folder is missing, unfinished, or another stage's.
    """
    if not storage.exists(folder):
        raise UserError(f"{folder} does not exist; run `wit {stage}` first or check the path")
    manifest = read(folder)
    if manifest["stage"] != stage:
        raise UserError(f"{folder} is the output of {manifest['stage']}, not of {stage}; check the path")
    if not is_complete(folder):
        raise UserError(f"{folder} is not finished (no {SUCCESS}); run its {stage} stage again to resume it")
    return manifest


def fingerprint_files(paths: Iterable[str]) -> str:
    """Name some input files, in their order: SHA-256, 16 hex digits.

    A local file is named by its base name and size, so that a folder may move; a
    remote one by its full name.
    """
    digest = hashlib.sha256()
    for path in paths:
        named = f"{storage.basename(path)}\0{storage.size(path)}" if storage.is_local(path) else path
        digest.update(f"{named}\n".encode())
    return digest.hexdigest()[:16]


def begin(folder: str, stage: str, options: Json, inputs: Mapping[str, str]) -> None:
    """Claim a folder for a run, or take up the same run where it stopped.

    Args:
        folder: the stage's output.
        stage: its name.
        options: all that decides the output.
        inputs: name of each input to its fingerprint.

    Raises:
        UserError: the folder holds another run.
    """
    storage.remove_leftovers(folder)
    identity = json.loads(json.dumps({"stage": stage, "options": options, "inputs": inputs}))
    if storage.exists(storage.join(folder, MANIFEST)):
        _refuse_other_run(folder, read(folder), identity)
        return
    strangers = storage.list_dir(folder)
    if strangers:
        raise UserError(
            f"{folder} holds files of something else ({storage.basename(strangers[0])}); "
            "choose another output folder"
        )
    _write(folder, {**identity, "code_version": __version__})


def _refuse_other_run(folder: str, manifest: Json, identity: Json) -> None:
    if manifest["stage"] != identity["stage"]:
        raise UserError(
            f"{folder} holds the output of {manifest['stage']}, not of {identity['stage']}; "
            "choose another output folder"
        )
    for group in ("options", "inputs"):
        before, now = manifest[group], identity[group]
        for name in sorted({*before, *now}):
            if before.get(name) != now.get(name):
                raise UserError(
                    f"{folder} holds another run: its {group.rstrip('s')} {name} was "
                    f"{before.get(name)!r}, now it is {now.get(name)!r}; "
                    "choose another output folder, or remove this one"
                )


def sum_footers(parts: Iterable[str]) -> PartSummary:
    """Sum the footers of committed parts: the only truth about counts."""
    return sum(read_footers(parts), PartSummary())


def read_footers(parts: Iterable[str]) -> list[PartSummary]:
    """Read the footers of committed parts, in their order."""
    with ThreadPoolExecutor(_FOOTER_READERS) as readers:
        return list(readers.map(read_summary, parts))


def finish(
    folder: str,
    summary: PartSummary,
    parts: Iterable[str],
    facts: Json | None = None,
    rows_given: int | None = None,
) -> dict[str, Any]:
    """Write the counts into the manifest and commit the stage with `_SUCCESS`.

    Args:
        folder: the stage's output.
        summary: rows in, out and dropped, summed from footers.
        parts: the output's files, which name it to the next stage.
        facts: whatever else later stages or people need to know.
        rows_given: rows that the stage before gave; None if that is no count of rows.

    Returns:
        The manifest.

    Raises:
        UserError: nothing is left after the stage.
        RuntimeError: rows were lost or came twice: a defect of this program.
    """
    if rows_given is not None and summary.rows_in != rows_given:
        raise RuntimeError(f"{folder} took {summary.rows_in} rows, but {rows_given} were given to it")
    manifest = {
        **read(folder),
        "counts": asdict(summary),
        "facts": dict(facts or {}),
        "fingerprint": fingerprint_files(parts),
    }
    _write(folder, manifest)
    if not summary.rows_out:
        reasons = ", ".join(f"{reason} {rows}" for reason, rows in summary.dropped.items()) or "no input rows"
        raise UserError(
            f"{folder} is empty: all rows were dropped ({reasons}); loosen the filters or check the input"
        )
    storage.write_bytes(storage.join(folder, SUCCESS), b"")
    return manifest


def revise(folder: str, summary: PartSummary, parts: Iterable[str], facts: Json) -> None:
    """Write other counts into the manifest of a finished stage whose parts were changed.

    Args:
        folder: the stage's output.
        summary: rows in, out and dropped, as they are now.
        parts: the output's files.
        facts: those that are new or others.
    """
    before = read(folder)
    after = {"counts": asdict(summary), "fingerprint": fingerprint_files(parts)}
    _write(folder, {**before, **after, "facts": {**before["facts"], **facts}})


def _write(folder: str, manifest: Json) -> None:
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    storage.write_bytes(storage.join(folder, MANIFEST), text.encode())
