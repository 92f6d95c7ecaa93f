"""Evaluation: a model and data sets in, `eval.json` out.

`eval.json` is `{"results": [...]}`, one entry a data set and task with
clip_benchmark's keys (dataset, model, pretrained, task, metrics, language), and
chance, 95 % intervals and counts beside them.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import Any, NamedTuple, Protocol

from trainer import tasks
from trainer.checkpoint import checkpoint_path
from trainer.distributed import local_device
from trainer.encode import Encoder
from trainer.models import load_model
from trainer.options import EvalOptions
from trainer.progress import reporting
from trainer.registry import locate, open_split, open_test_set
from trainer.runs import finish, is_complete, write_json
from trainer.shard_index import index_shards
from trainer.sources import Source
from wit_builder.storage import UserError, basename, exists, join, open_read, read_bytes

REPORT = "eval.json"
OVERLAP_BY = ("phash", "embedding")
VALIDATION = ("val", "validation")


class Run(Protocol):
    """Does a task with a model."""

    def __call__(self, encoder: Encoder) -> dict[str, Any]:
        """Give the task's part of its entry."""


class Task(NamedTuple):
    """Something to do: of which kind, on which data set, its images' digest, and how."""

    kind: str
    dataset: str
    digest: str
    run: Run


def evaluate(options: EvalOptions) -> dict[str, Any]:
    """Evaluate a model; do nothing if that is done.

    Returns:
        what lies in eval.json.

    Raises:
        UserError: no task, a model or data set that cannot be read, or another run's output folder.
    """
    _check(options)
    todo = list(_tasks(options))
    identity: dict[str, Any] = {"checkpoint": checkpoint_identity(options.checkpoint), **_settings(options)}
    for task in todo:
        identity.setdefault(task.kind, {})[task.dataset] = task.digest
    with reporting(quiet=False) as reporter:
        if is_complete(options.output, identity):
            reporter.say(f"{options.output} is complete: nothing to do")
            report: dict[str, Any] = json.loads(read_bytes(join(options.output, REPORT)))
            return report
        device = local_device()
        loaded = load_model(options.checkpoint, device)
        encoder = Encoder(loaded, device, options.batch_size, options.workers)
        model = {"model": loaded.name, "pretrained": loaded.pretrained, "language": "en"}
        results = []
        for task in todo:
            results.append({"dataset": task.dataset, **model, **task.run(encoder)})
            reporter.say(f"{task.dataset}: {results[-1]['task']} {results[-1]['metrics']}")
        write_json(join(options.output, REPORT), {"results": results})
        manifest = {"stage": "eval", "options": asdict(options), "identity": identity}
        finish(options.output, manifest | {"counts": _counts(results)})
        return {"results": results}


def _check(options: EvalOptions) -> None:
    if not (options.zeroshot or options.retrieval or options.probe or options.few_shot):
        raise UserError("no task is given; give a data set as zeroshot, retrieval, probe or few_shot")
    if options.overlap_by not in OVERLAP_BY:
        raise UserError(f"overlap_by is {options.overlap_by!r}; use one of {', '.join(OVERLAP_BY)}")
    if options.seeds < 1:
        raise UserError(f"seeds is {options.seeds}; give 1 or more")


def _settings(options: EvalOptions) -> dict[str, Any]:
    """Give the options that change a result, where they are not the ordinary ones."""
    settings: dict[str, Any] = {}
    if options.prompt_ablation:
        settings["prompt_ablation"] = True
    if options.overlap:
        training = index_shards(options.overlap, "txt").digest()
        settings["overlap"] = {"training": training, "by": options.overlap_by}
    if options.few_shot:
        settings["seeds"] = options.seeds
    return settings


def _tasks(options: EvalOptions) -> Iterator[Task]:
    """Open every data set, so that a wrong one is told before anything is computed."""
    root = options.data_root
    for spec in options.zeroshot:
        test_set = open_test_set(spec, root)
        run = partial(
            tasks.zeroshot,
            test_set=test_set,
            ablation=options.prompt_ablation,
            overlap=options.overlap,
            overlap_by=options.overlap_by,
        )
        yield Task("zeroshot", test_set.name, test_set.images.digest(), run)
    for folder in options.retrieval:
        index = index_shards(folder, "txt")
        run = partial(tasks.retrieval, index=index, folder=folder)
        yield Task("retrieval", basename(folder), index.digest(), run)
    for spec in options.probe:
        test_set, (train, _) = open_test_set(spec, root), open_split(spec, "train", root)
        validation = _validation(spec, root)
        run = partial(tasks.probe, test_set=test_set, train=train, validation=validation, seed=0)
        yield Task("probe", test_set.name, _digests(train, validation, test_set.images), run)
    for spec in options.few_shot:
        test_set, (train, _) = open_test_set(spec, root), open_split(spec, "train", root)
        run = partial(tasks.few_shot_probe, test_set=test_set, train=train, seeds=options.seeds)
        yield Task("few_shot", test_set.name, _digests(train, test_set.images), run)


def _validation(spec: str, root: str | None) -> Source | None:
    """Open the validation split of a folder that has one beside the split that is scored."""
    place = locate(spec, root)
    for split in VALIDATION:
        if exists(join(place, split)) and exists(join(place, "test")):
            return open_split(spec, split, root)[0]
    return None


def _digests(*sources: Source | None) -> str:
    digests = [source.digest() for source in sources if source is not None]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _counts(results: list[dict[str, Any]]) -> dict[str, Any]:
    counts: dict[str, Any] = {}
    for entry in results:
        counts.setdefault(entry["task"], {})[entry["dataset"]] = entry["counts"]
    return counts


def checkpoint_identity(source: str) -> str:
    """Name a model: the SHA-256 of its checkpoint file in hex, or its open_clip name."""
    path = checkpoint_path(source)
    if path is None:
        return source
    with open_read(path) as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()  # type: ignore[arg-type]
