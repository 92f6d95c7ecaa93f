"""The data sets that the evaluator knows by name (`registry.yaml`), and how to open one.

A data set is named by `NAME`, a folder whose last name may be one, `torchvision:CLASS`
or `huggingface:NAME`. What a folder brings (classnames.txt, templates) goes before
what the registry says.
"""

import difflib
import re
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

import yaml
from open_clip import IMAGENET_CLASSNAMES, OPENAI_IMAGENET_TEMPLATES

from trainer.libraries import HUGGING_FACE, TORCHVISION, open_hugging_face, open_torchvision
from trainer.sources import Source, open_folder
from wit_builder.storage import UserError, basename, exists, join, read_bytes

CLASS_NAMES, TEMPLATES = "classnames.txt", "zeroshot_classification_templates.txt"
PLACE = "{c}"
WORDNET_ID = re.compile(r"n\d{8}")
ORDINARY_TEMPLATES = ("a photo of a {c}.",)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the registry says of a data set.

    Attributes:
        title: the name that people use.
        classes: how many there are.
        metric: the paper's, out of `metrics.METRICS`.
        test_split: the split that is scored.
        torchvision: torchvision's class, where it has one.
        where: where else it comes from.
        templates: prompts with `{c}` in the place of the class.
        prompts: `imagenet` for open_clip's class names and 80 templates.
        shift_of: the data set of which this is a shift.
        paper: zero-shot score in percent, by the paper's model; empty where it is not known here.
    """

    title: str
    classes: int
    metric: str
    test_split: str = "test"
    torchvision: str | None = None
    where: str | None = None
    templates: tuple[str, ...] = ()
    prompts: str | None = None
    shift_of: str | None = None
    paper: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TestSet:
    """A data set to evaluate on.

    Attributes:
        name: for the report.
        place: where it was opened: a folder, or a library's name.
        images: of the split that is scored.
        class_names: in the order of the class numbers.
        templates: prompts with `{c}`.
        metric: the one to report, out of `metrics.METRICS`.
    """

    name: str
    place: str
    images: Source
    class_names: list[str]
    templates: list[str]
    metric: str


@cache
def registry() -> dict[str, Entry]:
    """Read the registry."""
    text = (resources.files("trainer") / "registry.yaml").read_text("utf-8")
    entries: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return {
        name: Entry(**{**values, "templates": tuple(values.get("templates", ()))})
        for name, values in entries.items()
    }


def open_test_set(spec: str, data_root: str | None) -> TestSet:
    """Open the scored split of a data set, with its class names and prompts.

    Args:
        spec: a name of the registry, a folder, `torchvision:CLASS` or `huggingface:NAME`.
        data_root: holds folders named as the registry does; torchvision's downloads go there.

    Raises:
        UserError: there is no such data set, or its class names or templates do not fit.
    """
    place = locate(spec, data_root)
    name = _name(spec)
    entry = registry().get(name)
    split = entry.test_split if entry else "test"
    if _is_folder(place) and not exists(join(place, split)):
        split = "test"  # CLIP_benchmark's word, whatever the paper scores
    images, told = open_split(spec, split, data_root)
    return TestSet(
        name=name,
        place=place,
        images=images,
        class_names=_class_names(place, entry, told),
        templates=_templates(place, entry),
        metric=_metric(place, entry),
    )


def open_split(spec: str, split: str, data_root: str | None) -> tuple[Source, list[str] | None]:
    """Open one split of a data set: its images, and its classes' names where they are told.

    Raises:
        UserError: there is no such data set or split.
    """
    place = locate(spec, data_root)
    if place.startswith(TORCHVISION):
        return open_torchvision(place.removeprefix(TORCHVISION), split, data_root or ".")
    if place.startswith(HUGGING_FACE):
        return open_hugging_face(place.removeprefix(HUGGING_FACE), split)
    return open_folder(place, split)


def locate(spec: str, data_root: str | None) -> str:
    """Tell where a data set is: a folder, `torchvision:CLASS` or `huggingface:NAME`.

    Raises:
        UserError: it is neither there nor to be had by its name; the message says where from.
    """
    if spec.startswith((TORCHVISION, HUGGING_FACE)) or exists(spec):
        return spec
    if data_root is not None and exists(join(data_root, spec)):
        return join(data_root, spec)
    entry = registry().get(spec)
    if entry is None:
        near = difflib.get_close_matches(spec, registry(), cutoff=0.5) or sorted(registry())[:3]
        raise UserError(f"{spec} is no folder and no known data set; did you mean {' or '.join(near)}?")
    if entry.torchvision is None:
        raise UserError(
            f"{entry.title} is not in {data_root}/{spec}; get it from {entry.where}, "
            f"and put it there as CLIP_benchmark's tars or folders of classes"
        )
    if data_root is None:
        raise UserError(
            f"{spec} is no folder; give data_root, where torchvision can keep {entry.torchvision}"
        )
    return f"{TORCHVISION}{entry.torchvision}"


def _name(spec: str) -> str:
    by_library = {f"{TORCHVISION}{entry.torchvision}": name for name, entry in registry().items()}
    return by_library.get(spec, basename(spec))


def _is_folder(place: str) -> bool:
    return not place.startswith((TORCHVISION, HUGGING_FACE))


def _class_names(place: str, entry: Entry | None, told: list[str] | None) -> list[str]:
    path = join(place, CLASS_NAMES)
    if _is_folder(place) and exists(path):
        names = read_lines(path)
        if told is not None and len(names) != len(told):
            raise UserError(f"{path} names {len(names)} classes, {place} has {len(told)}; make them fit")
        return names
    if entry is not None and entry.prompts == "imagenet" and entry.classes == len(IMAGENET_CLASSNAMES):
        if told is not None and len(told) != entry.classes:
            raise UserError(
                f"{place} has {len(told)} classes, {entry.title} has {entry.classes}; make them fit"
            )
        return list(IMAGENET_CLASSNAMES)
    if told is None:
        raise UserError(f"{place} does not name its classes; give it a {CLASS_NAMES}, one a line")
    if all(WORDNET_ID.fullmatch(name) for name in told):
        raise UserError(f"{place} names its classes by WordNet ids; give it a {CLASS_NAMES}, one a line")
    return [name.replace("_", " ") for name in told]


def _templates(place: str, entry: Entry | None) -> list[str]:
    path = join(place, TEMPLATES)
    if _is_folder(place) and exists(path):
        templates = read_lines(path)
        if without := [template for template in templates if PLACE not in template]:
            raise UserError(f"{path}: {without[0]!r} lacks {PLACE}, the place of the class name")
        return templates
    if entry is None:
        return list(ORDINARY_TEMPLATES)
    if entry.prompts == "imagenet":
        return [template(PLACE) for template in OPENAI_IMAGENET_TEMPLATES]
    return list(entry.templates)


def _metric(place: str, entry: Entry | None) -> str:
    if entry is not None:
        return entry.metric
    path = join(place, "dataset_type.txt")
    several = _is_folder(place) and exists(path)
    return "mean_average_precision_11" if several and b"multilabel" in read_bytes(path) else "acc1"


def read_lines(path: str) -> list[str]:
    """Read a list of one entry a line.

    Raises:
        UserError: it is empty.
    """
    lines = [line.strip() for line in read_bytes(path).decode("utf-8").splitlines() if line.strip()]
    if not lines:
        raise UserError(f"{path} is empty; give one entry a line")
    return lines
