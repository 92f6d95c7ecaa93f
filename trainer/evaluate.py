"""Evaluation: a model and task folders in, `eval.json` out.

`eval.json` is `{"results": [...]}`, one entry a task with clip_benchmark's keys
(dataset, model, pretrained, task, metrics, language), and chance beside them.
"""

import hashlib
import json
from collections import Counter
from dataclasses import asdict
from typing import Any

import torch

from trainer.checkpoint import checkpoint_path
from trainer.distributed import local_device
from trainer.encode import EncodedImages, Encoder
from trainer.models import LoadedModel, load_model
from trainer.options import EvalOptions
from trainer.progress import reporting
from trainer.retrieval import best_ranks, chance_metrics, retrieval_examples, retrieval_metrics
from trainer.runs import finish, is_complete, write_json
from trainer.shard_index import ShardIndex, index_shards
from trainer.zeroshot import class_features, zeroshot_chance, zeroshot_metrics
from wit_builder.storage import UserError, basename, join, open_read, read_bytes

REPORT = "eval.json"
CLASS_NAMES, TEMPLATES = "classnames.txt", "zeroshot_classification_templates.txt"


def evaluate(options: EvalOptions) -> dict[str, Any]:
    """Evaluate a model; do nothing if that is done.

    Returns:
        what lies in eval.json.

    Raises:
        UserError: no task, a model or folder that cannot be read, or another run's output folder.
    """
    tasks = {"zeroshot": (options.zeroshot, "cls"), "retrieval": (options.retrieval, "txt")}
    indexes = {task: index_shards(folder, target) for task, (folder, target) in tasks.items() if folder}
    if not indexes:
        raise UserError("no task is given; give a folder as zeroshot or as retrieval")
    identity = {"checkpoint": checkpoint_identity(options.checkpoint)}
    identity |= {task: index.digest() for task, index in indexes.items()}
    with reporting(quiet=False) as reporter:
        if is_complete(options.output, identity):
            reporter.say(f"{options.output} is complete: nothing to do")
            report: dict[str, Any] = json.loads(read_bytes(join(options.output, REPORT)))
            return report
        device = local_device()
        loaded = load_model(options.checkpoint, device)
        encoder = Encoder(loaded, device, options.batch_size, options.workers)
        run = {"zeroshot": evaluate_zeroshot, "retrieval": evaluate_retrieval}
        results = []
        for task, index in indexes.items():
            folder = str(tasks[task][0])
            results.append(_entry(folder, loaded) | run[task](encoder, index, folder))
            reporter.say(f"{results[-1]['task']} {results[-1]['metrics']} chance {results[-1]['chance']}")
        write_json(join(options.output, REPORT), {"results": results})
        manifest = {"stage": "eval", "options": asdict(options), "identity": identity}
        finish(options.output, manifest | {"counts": {entry["task"]: entry["counts"] for entry in results}})
        return {"results": results}


def evaluate_zeroshot(encoder: Encoder, index: ShardIndex, folder: str) -> dict[str, Any]:
    """Classify a folder's images by its class names and templates.

    Raises:
        UserError: a template without `{c}`, a class that is no number of a class name, or no readable image.
    """
    class_names = _lines(join(folder, CLASS_NAMES))
    templates = _lines(join(folder, TEMPLATES))
    if without := [template for template in templates if "{c}" not in template]:
        raise UserError(f"{join(folder, TEMPLATES)}: {without[0]!r} lacks {{c}}, the place of the class name")
    images = _readable(encoder.images(index), folder)
    classes = [target.strip() for target in images.targets]
    if wrong := [c for c in classes if not c.isdecimal() or int(c) >= len(class_names)]:
        known = f"0 to {len(class_names) - 1}, the lines of {CLASS_NAMES}"
        raise UserError(f"{folder} has a class {wrong[0]!r}; correct the .cls members to {known}")
    labels = torch.tensor([int(c) for c in classes])
    logits = images.features @ class_features(encoder.texts, class_names, templates).T  # (n, classes)
    return {
        "task": "zeroshot_classification",
        "metrics": zeroshot_metrics(logits, labels),
        "chance": zeroshot_chance(labels, len(class_names)),
        "counts": {"images": len(labels), "classes": len(class_names), **_left_out(images, index)},
    }


def evaluate_retrieval(encoder: Encoder, index: ShardIndex, folder: str) -> dict[str, Any]:
    """Find each image by its captions and the other way round; each line of a text is one caption.

    Raises:
        UserError: no readable image.
    """
    images = _readable(encoder.images(index), folder)
    captions_of = [target.strip().splitlines() or [""] for target in images.targets]
    captions = [caption for group in captions_of for caption in group]
    per_image = torch.tensor([len(group) for group in captions_of])
    image_group = torch.arange(len(per_image))
    text_group = image_group.repeat_interleave(per_image)  # (texts): the image of each text
    text_features = encoder.texts(captions)
    ranks_of_images = best_ranks(text_features, images.features, text_group, image_group)
    ranks_of_texts = best_ranks(images.features, text_features, image_group, text_group)
    examples = retrieval_examples(images.features, text_features, captions, ranks_of_images)
    for example in examples:
        example["images"] = [index.key(images.numbers[place]) for place in example["images"]]
    duplicates = sum(count for count in Counter(captions).values() if count > 1)
    counts = {"images": len(per_image), "captions": len(captions), "duplicate_captions": duplicates}
    return {
        "task": "zeroshot_retrieval",
        "metrics": retrieval_metrics(ranks_of_images, ranks_of_texts),
        "chance": chance_metrics(per_image),
        "counts": {**counts, **_left_out(images, index)},
        "examples": examples,
    }


def checkpoint_identity(source: str) -> str:
    """Name a model: the SHA-256 of its checkpoint file in hex, or its open_clip name."""
    path = checkpoint_path(source)
    if path is None:
        return source
    with open_read(path) as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()  # type: ignore[arg-type]


def _entry(folder: str, loaded: LoadedModel) -> dict[str, Any]:
    names = {"dataset": basename(folder), "model": loaded.name, "pretrained": loaded.pretrained}
    return {**names, "language": "en"}


def _lines(path: str) -> list[str]:
    lines = [line.strip() for line in read_bytes(path).decode("utf-8").splitlines() if line.strip()]
    if not lines:
        raise UserError(f"{path} is empty; give one entry a line")
    return lines


def _readable(images: EncodedImages, folder: str) -> EncodedImages:
    if not images.numbers:
        raise UserError(f"no image of {folder} can be read; write its shards again")
    return images


def _left_out(images: EncodedImages, index: ShardIndex) -> dict[str, int]:
    return {"skipped": len(images.skipped), "incomplete": index.incomplete}
