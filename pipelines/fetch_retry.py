"""Retry: failed rows leave the indexes of the store and are fetched anew, as rounds of their own.

In this order, each step safe to do again: the request is written down; `_SUCCESS` goes; the
failed rows are copied out; they are fetched into new parts; the old indexes are rewritten
without them; the request is marked as done; `_SUCCESS` comes back. So whenever the store is
complete, a uid stands in exactly one index.
"""

import json

from pipelines.fetch_rounds import Rounds
from pipelines.session import Stage
from wit_builder import manifest, storage
from wit_builder.errors import UserError
from wit_builder.parts import list_parts, part_path
from wit_builder.records import Status
from wit_builder.transforms.parts import WorkItem
from wit_builder.transforms.retry import CopyFailed, DropFailed

STATUSES = (Status.FAILED_TO_DOWNLOAD.value, Status.FAILED_TO_RESIZE.value)
"""What can be retried."""


def parse_statuses(words: str) -> tuple[str, ...]:
    """Read "failed_to_download,failed_to_resize".

    Raises:
        UserError: a word is no status that can be retried.
    """
    statuses = tuple(word.strip() for word in words.split(",") if word.strip())
    for word in statuses:
        if word not in STATUSES:
            raise UserError(f"retry is {word!r}; use {' or '.join(STATUSES)}, or both with a comma")
    return statuses


def request_retry(output: str, statuses: tuple[str, ...]) -> None:
    """Write down that failed rows of a complete store are to be fetched anew, and open it again."""
    if not statuses or not manifest.is_complete(output):
        return
    if not _pending(output):
        indexes = [storage.basename(index) for index in list_parts(storage.join(output, "store"))]
        first = 1 + max(int(name.split("-")[1]) for name in indexes)
        request = {"statuses": statuses, "indexes": indexes, "first_round": first}
        path = storage.join(output, "plan", f"retry-{first:03d}.json")
        storage.write_bytes(path, json.dumps(request).encode())
    storage.remove(storage.join(output, manifest.SUCCESS))


def _pending(output: str) -> list[str]:
    """List the requests that are not done, in order."""
    requests = storage.list_dir(storage.join(output, "plan"), ".json")
    return [request for request in requests if not storage.exists(_done(request))]


def _done(request: str) -> str:
    return f"{request.removesuffix('.json')}.done"


def run_retries(stage: Stage, rounds: Rounds) -> None:
    """Do the retries that were asked for and are not done."""
    for request in _pending(stage.output):
        _run_retry(stage, rounds, request)


def _run_retry(stage: Stage, rounds: Rounds, path: str) -> None:
    request = json.loads(storage.read_bytes(path))
    statuses = tuple(request["statuses"])
    indexes = [storage.join(stage.output, "store", name) for name in request["indexes"]]

    def items(step: str) -> list[WorkItem]:
        place = storage.join(path.removesuffix(".json"), step)
        return [
            WorkItem((index,), part_path(place, number, len(indexes))) for number, index in enumerate(indexes)
        ]

    failed = items("pairs")
    stage.build_parts("Find failed rows", CopyFailed(statuses), failed)
    rounds.run([item.output for item in failed], request["first_round"])
    stage.build_parts("Replace failed rows", DropFailed(statuses), items("replaced"))
    storage.write_bytes(_done(path), b"")
