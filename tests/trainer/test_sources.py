"""The known data sets cannot be had here: their loading is tested on look-alikes."""

import io
import json
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.trainer.samples import COLOURS, jpeg, write_tar
from trainer.metrics import METRICS
from trainer.registry import open_split, open_test_set, registry
from trainer.sources import Source
from wit_builder.storage import UserError

NAMES = ["red apple", "lime"]


def contents(source: Source) -> list[tuple[bytes, bytes]]:
    return [source.read(number) for number in range(len(source))]


def expected(count: int) -> list[tuple[bytes, bytes]]:
    return [(jpeg(number), str(number % 2).encode()) for number in range(count)]


def class_folders(folder: Path, count: int = 6) -> Path:
    for number in range(count):
        path = folder / NAMES[1 - number % 2] / f"{number}.jpg"  # "lime" is class 0
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(number))
    return folder


def parquet(path: Path, count: int, *, plain: bool) -> None:
    images: list[object] = [jpeg(n) if plain else {"bytes": jpeg(n), "path": None} for n in range(count)]
    feature = {"label": {"names": NAMES, "_type": "ClassLabel"}}
    table = pa.table({"image": images, "label": [n % 2 for n in range(count)]})
    if not plain:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": feature}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=2)


def test_folders_of_classes(tmp_path: Path) -> None:
    class_folders(tmp_path / "things" / "test")
    class_folders(tmp_path / "things" / "train", 4)
    found = open_test_set("things", str(tmp_path))
    assert found.class_names == ["lime", "red apple"]
    assert (found.metric, found.templates) == ("acc1", ["a photo of a {c}."])
    assert sorted(contents(found.images)) == sorted(expected(6))
    assert found.images.key(0) == "lime/0.jpg"
    train, _ = open_split("things", "train", str(tmp_path))
    assert len(train) == 4
    assert train.digest() != found.images.digest()
    (tmp_path / "things" / "classnames.txt").write_text("one\ntwo\nthree\n")
    with pytest.raises(UserError, match="names 3 classes, .*things has 2; make them fit"):
        open_test_set("things", str(tmp_path))


def test_parquet_as_hugging_face_writes_it(tmp_path: Path) -> None:
    parquet(tmp_path / "data" / "test-00000-of-00001.parquet", 5, plain=False)
    parquet(tmp_path / "data" / "train-00000-of-00002.parquet", 3, plain=False)
    parquet(tmp_path / "data" / "train-00001-of-00002.parquet", 2, plain=False)
    found = open_test_set(str(tmp_path / "data"), None)
    assert found.class_names == NAMES
    assert contents(found.images) == expected(5)
    train, _ = open_split(str(tmp_path / "data"), "train", None)
    assert contents(train) == expected(3) + expected(2)


def test_parquet_of_plain_bytes_needs_class_names(tmp_path: Path) -> None:
    parquet(tmp_path / "any.parquet", 3, plain=True)
    with pytest.raises(UserError, match="does not name its classes; give it a classnames.txt"):
        open_test_set(str(tmp_path), None)
    (tmp_path / "classnames.txt").write_text("\n".join(NAMES))
    assert contents(open_test_set(str(tmp_path), None).images) == expected(3)
    pq.write_table(pa.table({"picture": [1], "label": [0]}), tmp_path / "any.parquet")
    with pytest.raises(UserError, match="has columns picture, label; name one image or img"):
        open_test_set(str(tmp_path), None)


def test_tars_in_clip_benchmarks_layout(tmp_path: Path) -> None:
    folder = tmp_path / "pets"
    for split, count in (("test", 4), ("train", 2)):
        members = {f"{n}.jpg": jpeg(n) for n in range(count)} | {
            f"{n}.cls": b"%d" % (n % 2) for n in range(count)
        }
        write_tar(folder / split / "0.tar", dict(sorted(members.items())))
    (folder / "classnames.txt").write_text("\n".join(NAMES))
    found = open_test_set("pets", str(tmp_path))
    assert contents(found.images) == expected(4)
    assert found.metric == "mean_per_class_recall"  # the paper's for Oxford-IIIT Pets
    assert found.templates == ["a photo of a {c}, a type of pet."]
    (folder / "zeroshot_classification_templates.txt").write_text("my {c}\n")
    assert open_test_set(str(folder), None).templates == ["my {c}"]


def test_several_labels_an_image(tmp_path: Path) -> None:
    labels = io.BytesIO()
    np.save(labels, np.array([0, 1, 1]))
    write_tar(tmp_path / "test" / "0.tar", {"0.jpg": jpeg(0), "0.npy": labels.getvalue()})
    (tmp_path / "dataset_type.txt").write_text("multilabel")
    (tmp_path / "classnames.txt").write_text("a\nb\nc\n")
    found = open_test_set(str(tmp_path), None)
    assert found.metric == "mean_average_precision_11"
    assert found.images.read(0) == (jpeg(0), labels.getvalue())


def test_torchvision_by_name(tmp_path: Path) -> None:
    rendered = tmp_path / "rendered-sst2"
    for label in ("negative", "positive"):
        for number in range(2):
            path = rendered / "test" / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), COLOURS[number]).save(path)
    found = open_test_set("rendered_sst2", str(tmp_path))
    assert found.class_names == ["negative", "positive"]
    assert found.templates == ["a {c} review of a movie."]
    assert [found.images.read(n)[1] for n in range(4)] == [b"0", b"0", b"1", b"1"]
    with Image.open(io.BytesIO(found.images.read(1)[0])) as image:
        assert image.getpixel((0, 0)) == (0, 255, 0)
    assert open_test_set("torchvision:RenderedSST2", str(tmp_path)).name == "rendered_sst2"
    with pytest.raises(UserError, match="torchvision has no data set 'Nothing'"):
        open_test_set("torchvision:Nothing", str(tmp_path))


def test_hugging_face_by_name(tmp_path: Path) -> None:
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)})
    rows = {"image": [{"bytes": jpeg(n), "path": None} for n in range(3)], "label": [0, 1, 0]}
    split = datasets.Dataset.from_dict(rows, features=features)
    datasets.DatasetDict({"test": split}).save_to_disk(str(tmp_path / "saved"))
    found = open_test_set(f"huggingface:{tmp_path / 'saved'}", None)
    assert found.class_names == NAMES
    assert contents(found.images) == expected(3)
    with pytest.raises(UserError, match="datasets cannot give train of"):
        open_split(f"huggingface:{tmp_path / 'saved'}", "train", None)


def test_the_registry_is_the_papers() -> None:
    shifts = [name for name, entry in registry().items() if entry.shift_of]
    assert (len(registry()), len(shifts)) == (27 + 7, 7)
    by_metric = {metric: {n for n, e in registry().items() if e.metric == metric} for metric in METRICS}
    assert by_metric["mean_per_class_recall"] == {"fgvc_aircraft", "pets", "caltech101", "flowers102"}
    assert by_metric["mean_average_precision_11"] == {"voc2007"}
    assert by_metric["roc_auc"] == {"hateful_memes"}
    for entry in registry().values():
        assert (entry.torchvision is None) != (entry.where is None)
        assert entry.prompts == "imagenet" or all("{c}" in template for template in entry.templates)
        assert entry.prompts or entry.templates


def test_imagenet_has_open_clips_names_and_its_80_templates(tmp_path: Path) -> None:
    for number in range(2):
        write_tar(tmp_path / "imagenet" / "0.tar", {"0.jpg": jpeg(number), "0.cls": b"0"})
    found = open_test_set("imagenet", str(tmp_path))
    assert (len(found.class_names), len(found.templates)) == (1000, 80)
    assert found.class_names[0] == "tench"
    assert "a bad photo of a {c}." in found.templates


def test_what_cannot_be_found_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'?cifra10 is no folder and no known data set; did you mean cifar10"):
        open_test_set("cifra10", str(tmp_path))
    with pytest.raises(UserError, match="Birdsnap is not in .*; get it from the authors' list"):
        open_test_set("birdsnap", str(tmp_path))
    with pytest.raises(UserError, match="give data_root"):
        open_test_set("cifar10", None)
    with pytest.raises(UserError, match="holds no .tar, no .parquet and no folders of images"):
        open_test_set(str(tmp_path), None)
    class_folders(tmp_path / "undivided")
    with pytest.raises(UserError, match="has no train split; give it a folder train"):
        open_split(str(tmp_path / "undivided"), "train", None)
    (tmp_path / "ids" / "n01440764").mkdir(parents=True)
    (tmp_path / "ids" / "n01440764" / "0.jpg").write_bytes(jpeg(0))
    with pytest.raises(UserError, match="by WordNet ids; give it a classnames.txt"):
        open_test_set(str(tmp_path / "ids"), None)
