"""The tasks of an evaluation, each from images to one entry of `eval.json`."""

import io
from collections import Counter
from typing import Any

import numpy as np
import torch

from trainer.encode import EncodedImages, Encoder
from trainer.metrics import acc1, ahead, classification_metrics, clopper_pearson
from trainer.overlap import near_by_embedding, near_by_hash, overlap_study
from trainer.probe import Labelled, few_shot, linear_probe, split_off
from trainer.registry import CLASS_NAMES, ORDINARY_TEMPLATES, PLACE, TestSet
from trainer.retrieval import best_ranks, chance_metrics, retrieval_examples, retrieval_metrics
from trainer.shard_index import ShardIndex, index_shards
from trainer.sources import Source
from trainer.zeroshot import class_features, zeroshot_chance
from wit_builder.storage import UserError

CONFIDENCE = 0.95
PROMPTS = {"class name": (PLACE,), "template": ORDINARY_TEMPLATES}


def zeroshot(
    encoder: Encoder, test_set: TestSet, *, ablation: bool, overlap: str | None, overlap_by: str
) -> dict[str, Any]:
    """Classify images by class names and prompts.

    Args:
        encoder: the model.
        test_set: the images.
        ablation: score the class name alone and one ordinary template, too.
        overlap: folder of training shards, for the overlap study.
        overlap_by: `phash` or `embedding`.

    Raises:
        UserError: a class that is no number of a class name, or no readable image.
    """
    names = test_set.class_names
    images = _readable(encoder.images(test_set.images), test_set.place)
    targets = targets_of(images, len(names), test_set.place)
    logits = images.features @ class_features(encoder.texts, names, test_set.templates).T  # (n, classes)
    entry = {
        "task": "zeroshot_classification",
        "main_metric": test_set.metric,
        "metrics": classification_metrics(logits, targets, test_set.metric),
        "counts": {"images": len(targets), "classes": len(names), **_left_out(images, test_set.images)},
    }
    if ablation:
        entry["prompts"] = {
            kind: classification_metrics(
                images.features @ class_features(encoder.texts, names, list(templates)).T,
                targets,
                test_set.metric,
            )
            for kind, templates in PROMPTS.items()
        } | {"ensemble": entry["metrics"]}
    if targets.ndim == 1:
        right = (ahead(logits, targets) == 0).numpy()
        entry["chance"] = zeroshot_chance(targets, len(names))
        entry["confidence"] = {"acc1": _interval(acc1(logits, targets), len(right))}
        if overlap is not None:
            near = _near(encoder, images, test_set.images, overlap, overlap_by)
            entry["overlap"] = {"by": overlap_by, **overlap_study(right, near)}
    return entry


def _near(
    encoder: Encoder, images: EncodedImages, source: Source, folder: str, overlap_by: str
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    training = index_shards(folder, "txt")
    if overlap_by == "phash":
        return near_by_hash(source, images.numbers, training, folder)
    return near_by_embedding(images.features, encoder.images(training).features)


def retrieval(encoder: Encoder, index: ShardIndex, folder: str) -> dict[str, Any]:
    """Find each image by its captions and the other way round; each line of a text is one caption.

    Raises:
        UserError: no readable image.
    """
    images = _readable(encoder.images(index), folder)
    captions_of = [
        target.decode("utf-8", "replace").strip().splitlines() or [""] for target in images.targets
    ]
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
    metrics = retrieval_metrics(ranks_of_images, ranks_of_texts)
    trials = {"image": len(captions), "text": len(per_image)}
    return {
        "task": "zeroshot_retrieval",
        "metrics": metrics,
        "confidence": {
            name: _interval(share, trials[name.partition("_")[0]]) for name, share in metrics.items()
        },
        "chance": chance_metrics(per_image),
        "counts": {**counts, **_left_out(images, index)},
        "examples": examples,
    }


def probe(
    encoder: Encoder, test_set: TestSet, train: Source, validation: Source | None, *, seed: int
) -> dict[str, Any]:
    """Fit a linear probe by CLIP's protocol and score it; the metrics' names begin with `lp_`.

    Args:
        encoder: the model.
        test_set: the images to score.
        train: the images to fit on.
        validation: the images to choose the strength by; None: a seeded fifth of `train`.
        seed: of that fifth.
    """
    classes = len(test_set.class_names)
    fitted = labelled(encoder, train, test_set)
    if validation is None:
        fitted, chosen = split_off(fitted, seed)
    else:
        chosen = labelled(encoder, validation, test_set)
    test = labelled(encoder, test_set.images, test_set)
    found = linear_probe(fitted, chosen, test, classes, test_set.metric)
    scores = classification_metrics(found["logits"], test.targets, test_set.metric)
    counts = {"train": len(fitted.targets), "validation": len(chosen.targets), "images": len(test.targets)}
    return {
        "task": "linear_probe",
        "main_metric": f"lp_{test_set.metric}",
        "metrics": {f"lp_{name}": value for name, value in scores.items()},
        "strength": found["strength"],
        "counts": {**counts, "classes": classes},
    }


def few_shot_probe(encoder: Encoder, test_set: TestSet, train: Source, *, seeds: int) -> dict[str, Any]:
    """Fit probes on 1 to 16 images a class, several draws each."""
    classes = len(test_set.class_names)
    test, fitted = labelled(encoder, test_set.images, test_set), labelled(encoder, train, test_set)
    curve = few_shot(fitted, test, classes, test_set.metric, seeds)
    last = curve[-1]
    return {
        "task": "few_shot",
        "main_metric": f"few_shot_{test_set.metric}",
        "metrics": {f"few_shot_{test_set.metric}": last["mean"]},
        "shots": curve,
        "counts": {"images": len(test.targets), "classes": classes, "train": len(fitted.targets)},
    }


def labelled(encoder: Encoder, source: Source, test_set: TestSet) -> Labelled:
    """Encode images to the features of a probe, on the model's device."""
    images = _readable(encoder.images(source, projected=False), test_set.place)
    targets = targets_of(images, len(test_set.class_names), test_set.place)
    return Labelled(images.features, targets).to(encoder.device)


def targets_of(images: EncodedImages, classes: int, place: str) -> torch.Tensor:
    """Read the targets: int64 classes, (n), or 0 and 1, (n, classes), of .npy members.

    Raises:
        UserError: a class is no number of a class name, or there are others than so many.
    """
    known = f"0 to {classes - 1}, the lines of {CLASS_NAMES}"
    if images.targets[0].startswith(b"\x93NUMPY"):
        rows = np.stack([np.load(io.BytesIO(target), allow_pickle=False) for target in images.targets])
        if rows.shape[1:] != (classes,):
            raise UserError(f"{place} has labels of {rows.shape[1:]}; correct the .npy members to {known}")
        return torch.from_numpy(rows.astype(np.int64))
    words = [target.decode("utf-8", "replace").strip() for target in images.targets]
    if wrong := [word for word in words if not word.isdecimal() or int(word) >= classes]:
        raise UserError(f"{place} has a class {wrong[0]!r}; correct the .cls members to {known}")
    return torch.tensor([int(word) for word in words])


def _readable(images: EncodedImages, place: str) -> EncodedImages:
    if not images.numbers:
        raise UserError(f"no image of {place} can be read; write its shards again")
    return images


def _left_out(images: EncodedImages, source: Source) -> dict[str, int]:
    return {"skipped": len(images.skipped), "incomplete": source.incomplete}


def _interval(share: float, trials: int) -> list[float]:
    return list(clopper_pearson(round(share * trials), trials, CONFIDENCE))
