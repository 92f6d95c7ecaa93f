"""`wit candidates` on archives: any slicing gives the oracle's pairs, and every row is accounted for."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pipelines import candidates, candidates_steps
from pipelines.candidates import CandidatesOptions
from pipelines.cli import main
from pipelines.session import Session
from tests.archives import write_warc
from tests.wit_builder.test_limits import oracle
from wit_builder import keys, manifest, storage
from wit_builder.errors import UserError
from wit_builder.filters import FilterOptions
from wit_builder.limits import LimitOptions
from wit_builder.manifest import sum_footers
from wit_builder.parts import list_parts, read_summary, read_table

HERE = Session(beam_args=("--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner",))
"""One worker, in this process, however many parts there are."""

Page = tuple[str, list[tuple[str, str]]]
"""URL, and the pairs on it."""

ALL = LimitOptions(deduplicate=True, max_text_repeats=6, max_texts_per_url=2, max_pairs_per_host=5, seed=3)


@pytest.fixture(autouse=True)
def small_items(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROWS_PER_ITEM", "LEAST_ROWS_PER_ITEM"):
        monkeypatch.setattr(keys, name, 8)


def write_archives(folder: Path, archives: Sequence[Sequence[Page]]) -> tuple[str, ...]:
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(
        str(write_warc(folder / f"{number:02d}.warc.gz", [(url, _html(pairs)) for url, pairs in pages]))
        for number, pages in enumerate(archives)
    )


def _html(pairs: list[tuple[str, str]]) -> str:
    return "".join(f'<p><img src="{url}" alt="{text}"></p>' for url, text in pairs)


def run(archives: tuple[str, ...], output: Path, session: Session = HERE, **options: Any) -> dict[str, Any]:
    return candidates.run(CandidatesOptions(archives=archives, output=str(output), **options), session)


def rows_of(output: Path) -> list[dict[str, Any]]:
    return [row for part in list_parts(str(output)) for row in read_table(part).to_pylist()]


def pairs_of(output: Path) -> list[tuple[str, str]]:
    return sorted((row["url"], row["text"]) for row in rows_of(output))


def expected_of(pages: Sequence[Page], limits: LimitOptions) -> list[tuple[str, str]]:
    """Distinct pairs, and of these what each limit lets stay."""
    pairs = {pair for _, found in pages for pair in found}
    for limit in limits.limits:
        pairs = oracle(pairs, limit)
    return sorted(pairs)


def crawl(count: int) -> list[Page]:
    """Give pages that share images and texts."""
    pages = []
    for number in range(count):
        texts = ["our shop", *(f"view {number % 4} of {n}" for n in range(6))]
        urls = [f"http://{'ab'[n % 2]}.org/{(number * 3 + n) % 17}.jpg" for n in range(7)]
        pages.append((f"http://p{number}.org/", list(zip(urls, texts, strict=True))))
    return pages


def test_archives_and_their_order_make_no_difference(tmp_path: Path) -> None:
    pages = crawl(24)
    archives = [[pages], [pages[12:], pages[5:12], pages[:5]]]
    runs = [
        run(write_archives(tmp_path / f"in-{n}", each), tmp_path / f"out-{n}", limits=ALL)["counts"]
        for n, each in enumerate(archives)
    ]
    kept = [sorted((row["uid"], row["page_url"]) for row in rows_of(tmp_path / f"out-{n}")) for n in range(2)]
    assert kept[0] == kept[1]
    assert pairs_of(tmp_path / "out-0") == expected_of(pages, ALL)
    for counts in runs:
        assert counts["dropped"] == runs[0]["dropped"]
        assert set(counts["dropped"]) == {"duplicate_pair", "repeated_text", "url_over_cap", "host_over_cap"}
        assert counts["rows_in"] == 24 * 7 == counts["rows_out"] + sum(counts["dropped"].values())


def test_workers_make_no_difference(tmp_path: Path) -> None:
    archives = write_archives(tmp_path, [crawl(12), crawl(8)])
    for name, session in (("one", HERE), ("two", Session())):
        run(archives, tmp_path / name, session, limits=LimitOptions(deduplicate=True))
    for part in list_parts(str(tmp_path / "one")):
        assert Path(part).read_bytes() == (tmp_path / "two" / Path(part).name).read_bytes()


def test_the_smallest_page_represents(tmp_path: Path) -> None:
    pair = ("http://a.org/1.jpg", "a brown dog")
    archives = write_archives(tmp_path, [[("http://z.org/", [pair])], [("http://b.org/", [pair, pair])]])
    done = run(archives, tmp_path / "out", limits=LimitOptions(deduplicate=True))
    assert [row["page_url"] for row in rows_of(tmp_path / "out")] == ["http://b.org/"]
    assert done["counts"]["dropped"] == {"duplicate_pair": 2}


def test_each_step_gives_its_reason_and_rejects(tmp_path: Path) -> None:
    pages: list[Page] = [
        ("http://p.org/", [(f"http://a.org/{n}.jpg", "our shop") for n in range(4)]),
        ("http://q.org/", [("http://b.org/1.jpg", f"text number {n}") for n in range(4)]),
        ("http://r.org/", [(f"http://c.org/{n}.jpg", f"a picture {n} of it") for n in range(7)]),
        ("http://s.org/", [("http://c.org/1.jpg", "a picture 1 of it"), ("http://d.org/1.jpg", "logo")]),
    ]
    limits = LimitOptions(max_text_repeats=3, max_texts_per_url=3, max_pairs_per_host=5)
    done = run(
        write_archives(tmp_path, [pages[:2], pages[2:]]), tmp_path / "out", limits=limits, rejects="all"
    )
    dropped = {
        "repeated_text": 4,
        "url_over_cap": 1,
        "host_over_cap": 2,
        "duplicate_pair": 1,
        "text_is_placeholder": 1,
    }
    assert done["counts"] == {
        "rows_in": 17,
        "rows_out": 8,
        "dropped": dropped,
        "counters": {**done["counts"]["counters"], "pages": 4},
    }
    rejects = [
        row["drop_reason"]
        for path in storage.list_dir(str(tmp_path / "out" / "rejects"))
        for row in read_table(path).to_pylist()
    ]
    assert Counter(rejects) == dropped
    assert sum_footers(list_parts(str(tmp_path / "out"))).dropped == dropped
    left = [
        path.name
        for path in (tmp_path / "out").rglob("*")
        if path.is_file() and path.parent.name != "rejects"
    ]
    assert sorted(left) == [
        "_SUCCESS",
        "manifest.json",
        *(Path(part).name for part in list_parts(str(tmp_path / "out"))),
    ]


def test_without_limits_there_is_no_second_phase(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pages = crawl(4)
    done = run(write_archives(tmp_path, [pages, pages]), tmp_path / "out", Session(beam_args=HERE.beam_args))
    assert done["counts"]["rows_out"] == 56
    assert [read_summary(part).rows_out for part in list_parts(str(tmp_path / "out"))] == [28, 28]
    shown = capsys.readouterr().err
    assert "Extract candidates" in shown
    assert "Sort keys" not in shown


class KilledError(Exception):
    """Stands for kill -9 at a step."""


@pytest.mark.parametrize("step", ["FindDuplicates", "SortEntries", "DropRows"])
def test_a_killed_run_is_taken_up(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = crawl(12)
    archives = write_archives(tmp_path, [pages[:6], pages[6:]])
    limits = LimitOptions(max_pairs_per_host=5)
    make = getattr(candidates_steps, step)

    def killed(self: Any, item: Any) -> Any:
        if "part-00001" in item.output:
            raise KilledError
        return ran(self, item)

    ran = make.run
    with monkeypatch.context() as patch:
        patch.setattr(make, "run", killed)
        with pytest.raises(RuntimeError, match="KilledError"):
            run(archives, tmp_path / "out", limits=limits)
    assert not manifest.is_complete(str(tmp_path / "out"))
    with monkeypatch.context() as patch:
        patch.setattr("wit_builder.transforms.candidates.read_candidates", None)  # they are not read again
        counts = run(archives, tmp_path / "out", limits=limits)["counts"]
    assert pairs_of(tmp_path / "out") == expected_of(pages, limits)
    assert counts["rows_in"] == 12 * 7 == counts["rows_out"] + sum(counts["dropped"].values())


def test_slices_are_work_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "BYTES_PER_MB", 500)
    pages = crawl(24)
    archives = write_archives(tmp_path, [pages])
    whole = run(archives, tmp_path / "whole")
    done = run(archives, tmp_path / "out", slice_mb=1)
    assert len(list_parts(str(tmp_path / "out"))) > 3
    assert pairs_of(tmp_path / "out") == pairs_of(tmp_path / "whole")
    assert done["counts"] == whole["counts"]


def test_no_filters_keep_raw_pairs(tmp_path: Path) -> None:
    page: Page = (
        "http://p.org/",
        [("http://a.org/1.svg", "x"), ("http://a.org/2.jpg", "IMG_1.JPG"), ("", "a dog")],
    )
    done = run(write_archives(tmp_path, [[page]]), tmp_path / "out", filters=FilterOptions(no_filters=True))
    assert (done["counts"]["rows_out"], done["counts"]["dropped"]) == (2, {"bad_url": 1})


def test_another_block_list_is_another_run(tmp_path: Path) -> None:
    archives = write_archives(tmp_path, [crawl(2)])
    hosts = tmp_path / "hosts.txt"
    hosts.write_text("a.org\n")
    options = FilterOptions(blocked_hosts=str(hosts))
    assert run(archives, tmp_path / "out", filters=options)["counts"]["dropped"] == {"blocked_host": 8}
    assert {row["url"][:13] for row in rows_of(tmp_path / "out")} == {"http://b.org/"}
    hosts.write_text("b.org\n")
    with pytest.raises(UserError, match="its input blocked_hosts was"):
        run(archives, tmp_path / "out", filters=options)


def test_mistakes_are_told_before_anything_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (archive,) = write_archives(tmp_path, [crawl(1)])
    (tmp_path / "empty.txt").write_text("")
    cases = {
        ("--slice-mb", "0"): "slice_mb is 0; use 1 or more",
        ("--max-text-repeats", "0"): "max_text_repeats is 0; use 1 or more",
        ("--languages", "xx"): "languages names 'xx'",
        ("--blocked-texts", str(tmp_path / "empty.txt")): "has no entry",
        ("--blocked-hosts", "gone.txt"): "gone.txt does not exist",
    }
    for given_options, told in cases.items():
        with pytest.raises(SystemExit) as ended:
            main(["candidates", "--archives", archive, "--output", str(tmp_path / "out"), *given_options])
        assert ended.value.code == 2
        assert told in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()
