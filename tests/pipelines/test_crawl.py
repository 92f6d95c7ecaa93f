import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from pipelines import crawl
from pipelines.session import Session
from tests.crawling import links, records
from tests.servers import Site, pages, site
from wit_builder.errors import UserError
from wit_builder.manifest import is_complete
from wit_builder.outcomes import Outcome

SITES = 5
ALONE = ("--direct_num_workers=1",)


def options(output: Path, *seeds: str, **changes: Any) -> crawl.CrawlOptions:
    usual: dict[str, Any] = {
        "requests_per_second": 0.0,
        "allow_private_networks": True,
        "same_site": False,
        "contact": "me@example.org",
    }
    return crawl.CrawlOptions(output=str(output), seeds=seeds, **{**usual, **changes})


@contextmanager
def web_of_sites() -> Iterator[list[Site]]:
    """Serve sites that link to and redirect to each other; each falls into a shard of its own or not."""
    with ExitStack() as stack:
        sites: list[Site] = []

        async def answer(request: web.Request) -> web.Response:
            number = int(request.path.strip("/") or 0) if request.path[1:].isdigit() else 0
            if request.path == "/robots.txt":
                return web.Response(text="User-agent: *\nDisallow: /13")
            targets = [
                f"http://127.0.0.1:{one.port}/{(3 * number + at) % 40}" for at, one in enumerate(sites)
            ]
            if number % 7 == 5:
                return web.Response(status=302, headers={"Location": targets[number % SITES]})
            if number % 11 == 6:
                return web.Response(status=404)
            return web.Response(text=links(*targets), content_type="text/html")

        sites += [stack.enter_context(site(answer)) for _ in range(SITES)]
        yield sites


def requests(sites: list[Site]) -> Counter[tuple[int, str]]:
    return Counter((one.port, path) for one in sites for path in one.requests)


def counts(manifest: dict[str, Any]) -> dict[str, Any]:
    return {**manifest["counts"], **manifest["facts"]}


def test_shards_visit_the_pages_that_one_crawl_visits(tmp_path: Path) -> None:
    shards = 7
    with web_of_sites() as sites:
        whole = crawl.run(options(tmp_path / "whole", sites[0].url("/1"), max_depth=2), Session(ALONE))
        of_one = requests(sites)
        for one in sites:
            one.requests.clear()
        divided = crawl.run(
            options(tmp_path / "divided", sites[0].url("/1"), max_depth=2, shards=shards), Session(ALONE)
        )
        assert requests(sites) == of_one
    assert counts(divided) == counts(whole)
    assert set(counts(whole)["dropped"]) == {Outcome.HTTP_4XX, Outcome.ROBOTS_DISALLOWS}
    assert len(of_one) > 30
    assert set(of_one.values()) == {1}
    urls = [
        sorted(r.url for r in records(tmp_path / name) if r.kind == "response")
        for name in ("whole", "divided")
    ]
    assert urls[0] == urls[1]
    names = {path.name[:8] for path in (tmp_path / "divided").glob("*.warc.gz")}
    assert len(names) > 1
    assert names <= {f"crawl-{shard:02d}" for shard in range(shards)}
    assert not list((tmp_path / "divided").glob("*.open"))
    assert not list((tmp_path / "divided").glob("progress-*"))


def test_a_budget_over_shards_is_spent_to_the_last_request(tmp_path: Path) -> None:
    with web_of_sites() as sites:
        done = crawl.run(
            options(tmp_path, sites[0].url("/1"), shards=3, max_pages=4, max_depth=1), Session(ALONE)
        )
        asked = sum(path != "/robots.txt" for one in sites for path in one.requests)
    assert (done["facts"]["requests"], asked) == (4, 4)
    assert done["facts"]["waiting"] > 0


def test_killed_shards_go_on_with_nothing_lost(tmp_path: Path) -> None:
    with web_of_sites() as sites:
        whole = crawl.run(options(tmp_path / "whole", sites[0].url("/1"), max_depth=1), Session(ALONE))
        for one in sites:
            one.requests.clear()
        wit = Path(sys.executable).with_name("wit")
        command = [
            *(str(wit), "crawl", "--seeds", sites[0].url("/1"), "--output", str(tmp_path / "killed")),
            *("--max-depth", "1", "--shards", "2", "--no-same-site", "--contact", "me@example.org"),
            *("--requests-per-second", "0", "--allow-private-networks", "--", *ALONE),
        ]
        moments = random.Random(1)
        kills = 0
        while not is_complete(str(tmp_path / "killed")):
            process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
            )
            try:
                process.wait(timeout=moments.uniform(1.5, 3.5) if kills < 1 else 60)
                assert process.returncode == 0
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                kills += 1
        killed = json.loads((tmp_path / "killed" / "manifest.json").read_text())
    urls = [
        sorted(r.url for r in records(tmp_path / name) if r.kind == "response")
        for name in ("whole", "killed")
    ]
    assert urls[0] == urls[1]
    assert counts(killed) == counts(whole)


def test_a_recrawl_needs_a_finished_crawl_and_says_what_is_unchanged(tmp_path: Path) -> None:
    with pages({"/": links("/a"), "/a": "x"}) as server:
        seed = server.url()
        with pytest.raises(UserError, match="does not exist"):
            crawl.run(options(tmp_path / "b", seed, recrawl=str(tmp_path / "a")), Session(ALONE))
        crawl.run(options(tmp_path / "a", seed, shards=2), Session(ALONE))
        again = crawl.run(options(tmp_path / "b", seed, recrawl=str(tmp_path / "a")), Session(ALONE))
        crawl.run(options(tmp_path / "c", seed, recrawl=str(tmp_path / "b")), Session(ALONE))
    assert again["counts"]["rows_out"] == again["counts"]["counters"]["unchanged"] == 2
    assert list(again["inputs"]) == ["recrawl"]
    folders = [str(tmp_path / name) for name in "dcba"]
    assert crawl.archives_of(*folders[:2]) == [f"{folder}/*.warc.gz" for folder in folders]


def test_a_finished_crawl_is_not_done_again(tmp_path: Path) -> None:
    with pages({"/": "x"}) as server:
        first = crawl.run(options(tmp_path, server.url()), Session(ALONE))
        asked = len(server.requests)
        assert crawl.run(options(tmp_path, server.url()), Session(ALONE)) == first
    assert len(server.requests) == asked


@given(st.integers(0, 1_000), st.lists(st.integers(0, 500), min_size=1, max_size=9))
def test_requests_are_shared_out_whole(left: int, waiting: list[int]) -> None:
    shares = crawl.share(left, waiting)
    assert sum(shares) == min(left, sum(waiting))
    for mine, there in zip(shares, waiting, strict=True):
        assert 0 <= mine <= there
        assert abs(mine - min(1.0, left / max(sum(waiting), 1)) * there) < 1


def test_the_watch_tells_rate_waiting_and_reasons(tmp_path: Path) -> None:
    told = {"asked": 5, "waiting": 7, "failures": {"http_4xx": 2, "timeout": 3}}
    (tmp_path / "progress-01.json").write_text(json.dumps(told))
    watch = crawl.CrawlWatch(str(tmp_path), 100, shards=2)
    assert watch.committed() == 5
    assert watch.note() == "0.0 pages/s, 7 waiting, timeout 3, http_4xx 2"
