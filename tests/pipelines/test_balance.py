"""`wit balance` on files: any split gives the oracle's pairs, a state what balancing at once gives."""

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipelines import balance, check, shards
from pipelines.balance import BalanceOptions
from pipelines.session import Session
from tests.balancing import Pair, oracle
from tests.matched import write_match
from tests.pairs import matched
from tests.store import finish_fetch, write_store
from vocab.vocabulary import write_vocabulary
from wit_builder import keys, manifest, schemas, storage
from wit_builder.balance import Mode
from wit_builder.errors import UserError
from wit_builder.parts import PartSummary, list_parts, read_table, write_table
from wit_builder.records import Query, QuerySource

QUERIES = 8
CAP = 12
HERE = Session(beam_args=("--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner",))
"""One worker, in this process, however many parts there are."""


@pytest.fixture(autouse=True)
def small_items(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROWS_PER_ITEM", "LEAST_ROWS_PER_ITEM"):
        monkeypatch.setattr(keys, name, 60)


def some_pairs(count: int, seed: int, first: int = 0) -> list[Pair]:
    """Give pairs whose queries are the rarer the larger their id."""
    drawn = random.Random(seed)
    ids = [[q for q in range(QUERIES) if drawn.random() < 0.8 / (q + 1) ** 1.5] for _ in range(count)]
    return [(f"http://{first + number}", found or [0]) for number, found in enumerate(ids)]


def crawl(pairs: list[Pair], seed: int, parts: int, page: str = "http://page/") -> list[pa.RecordBatch]:
    """Shuffle pairs, some of them twice, and cut them into parts; each copy is on a page of its own."""
    order = random.Random(seed)
    repeated = pairs + pairs[::3]
    rows = pa.Table.from_batches(
        [matched([pair], f"{page}{order.randrange(100):02d}") for pair in repeated]
    ).take(order.sample(range(len(repeated)), len(repeated)))
    cuts = np.linspace(0, rows.num_rows, parts + 1).astype(int).tolist()
    return [
        rows.slice(first, last - first).combine_chunks().to_batches()[0] for first, last in pairwise(cuts)
    ]


def run(matches: Path, output: Path, session: Session = HERE, **options: Any) -> dict[str, Any]:
    given = {"max_pairs_per_query": CAP, **options}
    return balance.run(BalanceOptions(matches=str(matches), output=str(output), **given), session)


def kept_rows(output: Path) -> list[dict[str, Any]]:
    rows = [row for part in list_parts(str(output)) for row in read_table(part).to_pylist()]
    return sorted(rows, key=lambda row: str(row["uid"]))


def counts_of(output: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_table(str(output / "query_counts.parquet")).to_pylist()
    return rows


@pytest.mark.parametrize("mode", list(Mode))
def test_any_order_and_split_gives_the_oracles_pairs(mode: Mode, tmp_path: Path) -> None:
    pairs = some_pairs(300, 1)
    expected = oracle(pairs, QUERIES, CAP, 5, mode)
    seen = []
    for parts in (1, 4):
        match = write_match(tmp_path / f"match{parts}", crawl(pairs, parts, parts), QUERIES)
        done = run(match, tmp_path / f"out{parts}", mode=mode, seed=5)
        rows = kept_rows(tmp_path / f"out{parts}")
        assert {row["uid"]: row["selected_query_ids"] for row in rows} == expected
        assert done["counts"]["rows_in"] == 400
        assert done["counts"]["dropped"]["duplicate_pair"] == 100
        seen.append(counts_of(tmp_path / f"out{parts}"))
    assert seen[0] == seen[1]
    for row in seen[0]:
        matching = {url for url, ids in pairs if row["query_id"] in ids}
        assert row["count"] == len(matching)
        assert row["kept_by_query"] == sum(row["query_id"] in ids for ids in expected.values())
        if mode is Mode.EXACT:
            assert row["kept_by_query"] == min(row["count"], CAP)


def test_workers_make_no_difference(tmp_path: Path) -> None:
    match = write_match(tmp_path / "match", crawl(some_pairs(300, 1), 0, 4), QUERIES)
    run(match, tmp_path / "one")
    run(match, tmp_path / "some", Session())
    for part in list_parts(str(tmp_path / "one")):
        assert Path(part).read_bytes() == (tmp_path / "some" / Path(part).name).read_bytes()


def test_the_smallest_page_represents_across_parts(tmp_path: Path) -> None:
    pairs = some_pairs(100, 3)
    parts = crawl(pairs, 3, 5)
    run(write_match(tmp_path / "match", parts, QUERIES), tmp_path / "out", max_pairs_per_query=10**6)
    smallest: dict[str, str] = {}
    for part in parts:
        for row in part.to_pylist():
            smallest[row["uid"]] = min(row["page_url"], smallest.get(row["uid"], row["page_url"]))
    assert {row["uid"]: row["page_url"] for row in kept_rows(tmp_path / "out")} == smallest


def test_facts_and_summary_tell_what_the_cap_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    match = write_match(tmp_path / "match", crawl(some_pairs(300, 1), 0, 2), QUERIES)
    facts = run(match, tmp_path / "out", Session(beam_args=HERE.beam_args))["facts"]
    rows = counts_of(tmp_path / "out")
    assert facts["matches_under_cap"] == sum(min(row["count"], CAP) for row in rows)
    assert facts["pairs"] == len(kept_rows(tmp_path / "out"))
    assert facts["head_queries"] == sum(row["count"] > CAP for row in rows)
    assert facts["head_share_before"] + facts["tail_share_before"] == pytest.approx(1)
    assert facts["head_share_after"] < facts["head_share_before"]
    shown = " ".join(capsys.readouterr().err.split())
    assert f"unique pairs {facts['pairs']}" in shown
    assert f"query 0: {rows[0]['count']} matches, {CAP} selected, {rows[0]['kept_total']} kept" in shown
    assert sorted(
        path.name for path in (tmp_path / "out").rglob("*.parquet") if "rejects" not in str(path)
    ) == [
        *(Path(part).name for part in list_parts(str(tmp_path / "out"))),
        "query_counts.parquet",
    ]


def test_a_reserve_selects_more_than_the_cap(tmp_path: Path) -> None:
    match = write_match(tmp_path / "match", crawl(some_pairs(300, 1), 0, 2), QUERIES)
    facts = run(match, tmp_path / "out", reserve_factor=1.45)["facts"]
    assert (facts["max_pairs_per_query"], facts["selected_per_query"]) == (CAP, 18)
    assert max(row["kept_by_query"] for row in counts_of(tmp_path / "out")) == 18


CRAWLS = (
    (some_pairs(120, 1), "http://m/"),
    (some_pairs(120, 1)[60:] + some_pairs(90, 2, 500), "http://a/"),
    (some_pairs(120, 1)[:30] + some_pairs(90, 2, 500)[40:] + some_pairs(40, 3, 900), "http://z/"),
)
"""Three crawls that overlap: pairs come again, kept ones and rejected ones, on smaller pages and larger."""


def write_crawls(folder: Path) -> list[Path]:
    parts = [crawl(pairs, number, 2 + number, page) for number, (pairs, page) in enumerate(CRAWLS)]
    write_match(folder / "all", [part for some in parts for part in some], QUERIES)
    return [write_match(folder / f"crawl{number}", some, QUERIES) for number, some in enumerate(parts)]


@pytest.mark.parametrize(
    ("mode", "cap"), [(Mode.EXACT, 1), (Mode.EXACT, CAP), (Mode.EXACT, 10**6), (Mode.EXPECTED, CAP)]
)
def test_updates_give_what_balancing_at_once_gives(mode: Mode, cap: int, tmp_path: Path) -> None:
    crawls = write_crawls(tmp_path)
    state = tmp_path / "state"
    for number, match in enumerate(crawls):
        output = tmp_path / f"out{number}"
        done = run(match, output, mode=mode, state=str(state), max_pairs_per_query=cap)
    run(tmp_path / "all", tmp_path / "once", mode=mode, max_pairs_per_query=cap)
    assert kept_rows(output) == kept_rows(tmp_path / "once")
    assert counts_of(output) == counts_of(tmp_path / "once")
    once = manifest.read(str(tmp_path / "once"))["facts"]
    assert done["facts"] == once
    assert len([path for path in state.iterdir() if path.is_dir() and any(path.rglob("*.parquet"))]) == 1


def test_the_same_crawl_again_changes_nothing(tmp_path: Path) -> None:
    match = write_crawls(tmp_path)[0]
    for number in range(2):
        run(match, tmp_path / f"out{number}", state=str(tmp_path / "state"))
    assert kept_rows(tmp_path / "out0") == kept_rows(tmp_path / "out1")
    assert counts_of(tmp_path / "out0") == counts_of(tmp_path / "out1")


class Killed(BaseException):
    """Stands for kill -9 before a step."""


@contextmanager
def killed_before(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Let so many files be written or removed, and no more."""
    steps = [0]

    def counted(work: Callable[..., Any]) -> Callable[..., Any]:
        def one(*arguments: Any) -> Any:
            steps[0] += 1
            if steps[0] > step:
                raise Killed
            return work(*arguments)

        return one

    with monkeypatch.context() as patched:
        for name in ("write_file_named_last", "remove"):
            patched.setattr(storage, name, counted(getattr(storage, name)))
        yield steps


def test_killed_before_any_file_the_rerun_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "LEAST_ROWS_PER_ITEM", 10**6)  # one group, one bucket: fewer steps
    first, second, _ = write_crawls(tmp_path)
    options: dict[str, Any] = {"mode": Mode.EXPECTED, "max_pairs_per_query": CAP}  # one pass less
    run(first, tmp_path / "out", state=str(tmp_path / "before"), **options)
    shutil.copytree(tmp_path / "before", tmp_path / "state")
    run(second, tmp_path / "expected", state=str(tmp_path / "state"), **options)
    for step in range(1_000):
        shutil.rmtree(tmp_path / "state")
        shutil.copytree(tmp_path / "before", tmp_path / "state")
        output = tmp_path / f"killed{step}"
        try:
            with killed_before(step, monkeypatch):
                run(second, output, state=str(tmp_path / "state"), **options)
            break
        except (Killed, RuntimeError):
            run(second, output, state=str(tmp_path / "state"), **options)
        assert kept_rows(output) == kept_rows(tmp_path / "expected")
        assert counts_of(output) == counts_of(tmp_path / "expected")
        current = (tmp_path / "state" / "CURRENT").read_text()
        assert (tmp_path / "state" / current.strip() / "state.json").exists()
    assert step > 15


def test_a_sweep_tells_what_smaller_caps_would_keep(tmp_path: Path) -> None:
    crawls = write_crawls(tmp_path)
    for number, match in enumerate(crawls[:2]):
        run(match, tmp_path / f"out{number}", state=str(tmp_path / "state"))
    rows = balance.run(BalanceOptions(sweep="1,5,12", state=str(tmp_path / "state")), HERE)["sweep"]
    for row in rows:
        both = write_match(
            tmp_path / f"match{row['cap']}",
            [
                read_table(part).combine_chunks().to_batches()[0]
                for match in crawls[:2]
                for part in list_parts(str(match))
            ],
            QUERIES,
        )
        once = run(both, tmp_path / f"once{row['cap']}", max_pairs_per_query=row["cap"])["facts"]
        names = {
            "pairs": "pairs",
            "matches_selected": "matches_selected",
            "head_share": "head_share_after",
            "entropy": "entropy_after",
        }
        assert {name: row[name] for name in names} == {name: once[fact] for name, fact in names.items()}
    assert not list((tmp_path / "state" / "sweep").iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_pairs_per_query": 0}, "max_pairs_per_query is 0; use 1 or more"),
        ({"max_pairs_per_query": -5}, "max_pairs_per_query is -5; use 1 or more"),
        ({"max_pairs_per_query": float("nan")}, "max_pairs_per_query is nan; use 1 or more"),
        ({"reserve_factor": 0.9}, "reserve_factor is 0.9; use 1 to 1000"),
        ({"reserve_factor": float("nan")}, "reserve_factor is nan"),
        ({"reserve_factor": float("inf")}, "reserve_factor is inf"),
        ({"mode": "exakt"}, "mode is 'exakt'; use one of exact, expected, primary"),
        ({"seed": -1}, "seed is -1"),
        ({"matches": None}, "option matches is required; give --matches"),
        ({"output": None}, "option output is required; give --output"),
        ({"mode": "primary", "state": "s"}, "mode primary takes no state"),
        ({"sweep": "5"}, "sweep reads a state, but there is none; give --state"),
        ({"sweep": "5", "state": "s"}, "leave out --matches and --output"),
        ({"sweep": "5,x", "state": "s", "matches": None, "output": None}, "sweep has the cap 'x'"),
        ({"sweep": "0", "state": "s", "matches": None, "output": None}, "sweep has the cap '0'"),
        ({"sweep": "", "state": "s", "matches": None, "output": None}, "sweep has the cap ''"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        BalanceOptions(**{"matches": "m", "output": "o", **options})


def test_a_sweep_needs_a_state_and_goes_no_higher_than_its_cap(tmp_path: Path) -> None:
    gone = BalanceOptions(sweep="5", state=str(tmp_path / "gone"))
    with pytest.raises(UserError, match="gone holds no state; make one with"):
        balance.run(gone, HERE)
    match = write_match(tmp_path / "match", crawl(some_pairs(50, 1), 0, 1), QUERIES)
    run(match, tmp_path / "out", state=str(tmp_path / "state"))
    with pytest.raises(UserError, match="sweep has the cap 13, but .* was made with 12 per query"):
        balance.run(BalanceOptions(sweep="5,13", state=str(tmp_path / "state")), HERE)


@pytest.mark.parametrize(
    ("options", "facts", "message"),
    [
        ({"max_pairs_per_query": 5}, {}, "was made with max_pairs_per_query 12, now it is 5"),
        ({"seed": 9}, {}, "was made with balance_seed 0, now it is 9"),
        ({"mode": "expected"}, {}, "was made with mode 'exact', now it is 'expected'"),
        ({"reserve_factor": 2.0}, {}, "was made with selected_per_query 12, now it is 24"),
        ({}, {"vocabulary_digest": "xyz"}, "was made with vocabulary_digest 'abc', now it is 'xyz'"),
        ({}, {"semantics": "metaclip"}, "was made with semantics 'words', now it is 'metaclip'"),
    ],
)
def test_a_state_of_other_rules_is_refused(
    options: dict[str, Any], facts: dict[str, Any], message: str, tmp_path: Path
) -> None:
    parts = crawl(some_pairs(50, 1), 0, 1)
    state = str(tmp_path / "state")
    run(write_match(tmp_path / "match", parts, QUERIES), tmp_path / "out", state=state)
    other = write_match(tmp_path / "other", parts, QUERIES, **facts)
    with pytest.raises(UserError, match=message):
        run(other, tmp_path / "again", state=state, **options)
    assert not manifest.is_complete(str(tmp_path / "again"))


def test_ids_that_are_not_in_the_vocabulary_are_named(tmp_path: Path) -> None:
    match = write_match(tmp_path / "match", [matched([("http://a", [QUERIES])])], QUERIES)
    with pytest.raises(UserError, match="query id 8 is not in the vocabulary of 8 queries"):
        run(match, tmp_path / "out")
    assert not manifest.is_complete(str(tmp_path / "out"))


def fetched(folder: Path, selected: list[list[int]], failed: set[int], facts: dict[str, Any]) -> Path:
    """Write a store as `wit fetch` leaves it, each pair selected by some queries, some without an image."""
    write_store(folder / "store", len(selected) - len(failed), failed=len(failed))
    (index,) = list_parts(str(folder / "store"))
    rows = read_table(index)
    lists = pa.array(selected, rows.schema.field("selected_query_ids").type)
    rows = rows.set_column(rows.column_names.index("selected_query_ids"), "selected_query_ids", lists)
    write_table(index, rows.cast(schemas.FETCHED_IMAGE), PartSummary(len(selected), len(selected)))
    return finish_fetch(folder, queries=QUERIES, **facts)


def sidecars(dataset: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(dataset.glob("*.parquet")) for row in read_table(str(path)).to_pylist()]


RESERVED = {
    "mode": "exact",
    "max_pairs_per_query": 5,
    "selected_per_query": 10,
    "reserve_factor": 2.0,
    "balance_seed": 3,
}


def test_shards_apply_the_cap_to_what_was_fetched(tmp_path: Path) -> None:
    selected = [[0, 1] if number % 4 else [0] for number in range(12)] + [[2]] * 8
    store = fetched(tmp_path / "fetch", selected, set(range(14, 20)), RESERVED)
    done = shards.run(shards.ShardsOptions(store=str(store), output=str(tmp_path / "data")), HERE)
    rows = sidecars(tmp_path / "data")
    good = {row["uid"]: row["selected_query_ids"] for row in rows if row["status"] == "success"}
    pairs = [(f"http://host/{number}.jpg", ids) for number, ids in enumerate(selected[:14])]
    assert good == oracle(pairs, QUERIES, 5, 3)
    assert [row["selected_query_ids"] for row in rows if row["status"] != "success"] == [[2]] * 6
    assert done["counts"]["dropped"] == {"failed_to_download": 6, "over_cap": 14 - len(good)}
    report = check.run(check.CheckOptions(dataset=str(tmp_path / "data")), HERE)
    assert report["largest_selection"] == 5
    assert done["counts"]["rows_out"] == len(good)


def test_without_a_reserve_the_shards_hold_what_was_fetched(tmp_path: Path) -> None:
    selected = [[0]] * 20
    plain = {"max_pairs_per_query": 5}
    for name, facts in (("none", plain), ("one", {**RESERVED, "reserve_factor": 1.0})):
        store = fetched(tmp_path / name, selected, {19}, facts)
        shards.run(shards.ShardsOptions(store=str(store), output=str(tmp_path / f"{name}-data")), HERE)
        assert len(sidecars(tmp_path / f"{name}-data")) == 20
        assert not (tmp_path / f"{name}-data" / "work" / "capped").exists()
    for path in (tmp_path / "none-data").glob("0*"):
        assert path.read_bytes() == (tmp_path / "one-data" / path.name).read_bytes()
    with pytest.raises(UserError, match="defects"):
        check.run(check.CheckOptions(dataset=str(tmp_path / "none-data")), HERE)


def test_the_cap_on_average_is_not_checked_as_a_cap(tmp_path: Path) -> None:
    facts = {**RESERVED, "mode": "expected", "reserve_factor": 1.0}
    store = fetched(tmp_path / "fetch", [[0]] * 20, set(), facts)
    shards.run(shards.ShardsOptions(store=str(store), output=str(tmp_path / "data")), HERE)
    assert check.run(check.CheckOptions(dataset=str(tmp_path / "data")), HERE)["largest_selection"] == 20


def test_the_vocabulary_names_queries_and_must_be_that_of_the_matches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vocabulary = tmp_path / "vocab"
    manifest.begin(str(vocabulary), "vocab", {}, {})
    queries = [Query(number, f"word{number}", (QuerySource.UNIGRAM,)) for number in range(QUERIES)]
    digest = write_vocabulary(queries, str(vocabulary))
    manifest.finish(str(vocabulary), PartSummary(QUERIES, QUERIES), [])
    parts = crawl(some_pairs(100, 1), 0, 1)
    match = write_match(tmp_path / "match", parts, QUERIES, vocabulary_digest=digest)
    run(match, tmp_path / "out", Session(beam_args=HERE.beam_args), vocabulary=str(vocabulary))
    assert "query 0 word0: " in capsys.readouterr().err
    other = write_match(tmp_path / "other", parts, QUERIES)
    with pytest.raises(UserError, match="is not the vocabulary of these matches"):
        run(other, tmp_path / "again", vocabulary=str(vocabulary))
    assert not (tmp_path / "again").exists()
