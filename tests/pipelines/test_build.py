"""The whole road, from a tiny dump and a local site to one training step and an eval."""

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import webdataset

from pipelines import build, check, stats
from pipelines.session import Session
from tests.killing import was_killed
from tests.road import IMAGES, site_content, write_config
from tests.servers import Site, pages
from tests.trainer.samples import tiny_preset
from trainer.evaluate import evaluate
from trainer.options import EvalOptions
from wit_builder.errors import UserError

# What the tiny site must come to: 60 images and 1 copy; "zzz qqq" matches no query, "" is no text.
REASONS = {
    "crawl": {"http_4xx"},
    "candidates": {"no_text"},
    "match": {"no_query"},
    "balance": {"duplicate_pair", "over_cap"},
    "fetch": set(),
    "shards": {"duplicate_image", "failed_to_download", "failed_to_resize"},
}


@pytest.fixture(scope="module")
def world() -> Iterator[Site]:
    with pages(site_content()) as site:
        yield site


@pytest.fixture(scope="module")
def finished(world: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("road")
    config = write_config(folder, world.url(), tiny_preset(folder))
    build.run(build.BuildOptions(config=str(config)), Session())
    return folder / "out"


def dataset_files(dataset: Path) -> dict[str, bytes]:
    found = [path for path in dataset.rglob("*") if path.suffix in (".tar", ".json", ".parquet")]
    kept = [path for path in found if "work" not in path.parts and path.name != "manifest.json"]
    return {str(path.relative_to(dataset)): path.read_bytes() for path in kept}


def digest(dataset: Path) -> dict[str, Any]:
    return check.run(check.CheckOptions(dataset=str(dataset), digest=True), Session())


def test_every_stage_accounts_for_every_row(finished: Path) -> None:
    funnel = stats.run(stats.StatsOptions(path=str(finished)), Session())
    assert list(funnel) == list(stats.STAGES)
    for stage, counts in funnel.items():
        assert counts["rows_in"] == counts["rows_out"] + sum(counts["dropped"].values()), stage
    assert {stage: set(funnel[stage]["dropped"]) for stage in REASONS} == REASONS
    assert funnel["vocab"]["dropped"] == {"other_namespace": 1, "redirect": 1}
    for earlier, later in (("candidates", "match"), ("match", "balance"), ("balance", "fetch")):
        assert funnel[earlier]["rows_out"] == funnel[later]["rows_in"]


def test_the_dataset_is_sound_and_no_query_selects_more_than_the_cap(finished: Path) -> None:
    report = check.run(check.CheckOptions(dataset=str(finished / "shards")), Session())
    assert 20 <= report["samples"] < IMAGES
    assert report["largest_selection"] <= 4
    counts = json.loads((finished / "balance" / "manifest.json").read_text())["facts"]
    assert counts["head_queries"] >= 1


def test_each_url_is_asked_for_once_and_robots_txt_first(finished: Path, world: Site) -> None:
    del finished  # it asked
    images = [path for path in world.requests if path.startswith("/images/")]
    assert len(set(images)) == len(images) >= 20
    assert world.requests[0] == "/robots.txt"
    assert "wit-builder" in world.headers[0]["User-Agent"]


def test_webdataset_reads_the_shards(finished: Path) -> None:
    tars = sorted(map(str, (finished / "shards").glob("*.tar")))
    sizes = json.loads((finished / "shards" / "sizes.json").read_text())
    samples = list(
        webdataset.WebDataset(tars, shardshuffle=False).decode("pil").to_tuple("jpg", "txt", "json")
    )
    assert len(samples) == sum(sizes.values())
    for image, text, described in samples:
        assert image.size == (described["width"], described["height"])
        assert text == described["caption"]


def test_open_clips_own_loader_reads_the_shards(finished: Path) -> None:
    import open_clip
    from open_clip_train.data import get_wds_dataset
    from open_clip_train.params import parse_args

    tars = sorted(map(str, (finished / "shards").glob("*.tar")))
    samples = sum(json.loads((finished / "shards" / "sizes.json").read_text()).values())
    arguments = parse_args(
        [f"--val-data={'::'.join(tars)}", f"--val-num-samples={samples}", "--batch-size=8", "--workers=2"]
    )
    arguments.distributed, arguments.rank, arguments.world_size, arguments.seed = False, 0, 1, 0
    _, preprocess, _ = open_clip.create_model_and_transforms("RN50", load_weights=False)
    tokenizer = open_clip.get_tokenizer("RN50")
    data = get_wds_dataset(arguments, preprocess, is_train=False, tokenizer=tokenizer)
    seen = sum(len(texts) for _, texts in data.dataloader)
    assert seen == samples


def test_a_step_is_trained_and_evaluated(finished: Path) -> None:
    (line,) = (finished / "train" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["loss"] > 0
    holdout = finished / "shards" / "holdout"
    options = EvalOptions(
        checkpoint=str(finished / "train"),
        output=str(finished / "eval"),
        retrieval=(str(holdout),),
        workers=0,
    )
    (entry,) = evaluate(options)["results"]
    held_out = sum(json.loads((holdout / "sizes.json").read_text()).values())
    assert entry["counts"]["images"] == held_out
    assert 0 <= entry["metrics"]["image_retrieval_recall@5"] <= 1


def test_from_scratch_the_same_site_gives_the_same_bytes(finished: Path, world: Site, tmp_path: Path) -> None:
    config = write_config(tmp_path, world.url())
    build.run(build.BuildOptions(config=str(config)), Session())
    assert dataset_files(tmp_path / "out" / "shards") == dataset_files(finished / "shards")


def test_a_finished_build_is_not_done_again(finished: Path, world: Site) -> None:
    asked = len(world.requests)
    before = dataset_files(finished / "shards")
    build.run(build.BuildOptions(config=str(finished.parent / "build.yaml"), until="shards"), Session())
    assert len(world.requests) == asked
    assert dataset_files(finished / "shards") == before


def test_killed_at_any_moment_the_rerun_gives_the_same_digest(
    finished: Path, world: Site, tmp_path: Path
) -> None:
    config = write_config(tmp_path, world.url())
    command = [str(Path(sys.executable).with_name("wit")), "build", "--config", str(config)]
    moments = random.Random(0)
    kills = 0
    while was_killed(command, moments.uniform(2.5, 6) if kills < 8 else None):
        kills += 1
    assert kills >= 3
    assert digest(tmp_path / "out" / "shards") == digest(finished / "shards")
    assert not list((tmp_path / "out").rglob(".tmp-*"))


def test_another_run_in_the_folder_is_refused(finished: Path) -> None:
    config = finished.parent / "build.yaml"
    changed = finished.parent / "changed.yaml"
    changed.write_text(config.read_text().replace("max_pairs_per_query: 4", "max_pairs_per_query: 9"))
    with pytest.raises(UserError, match="another run: its option max_pairs_per_query was 4, now it is 9"):
        build.run(build.BuildOptions(config=str(changed)), Session())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("output: [", "is not YAML"),
        ("vocab: {}", "names no `output` folder"),
        ("output: x\nfetsh: {}", "has a section fetsh"),
        ("output: x\nmatch: 3", "it must be options by name"),
        (
            "output: x\nvocab: {dumps: [d], min_cuont: 3}",
            "section vocab: unknown option min_cuont; did you mean",
        ),
        ("output: x\nvocab: {}", "section vocab: option dumps is required"),
        (
            "output: x\nvocab: {dumps: [d]}\ncandidates: {archives: [a]}\nmatch: {output: y}",
            "section match has the option output",
        ),
    ],
)
def test_a_wrong_build_file_is_named_before_anything_runs(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "build.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        build.run(build.BuildOptions(config=str(tmp_path / "build.yaml")), Session())
    assert [path.name for path in tmp_path.iterdir()] == ["build.yaml"]
