"""`wit fetch` as a whole: rounds, retry, rights, a disk that is full; real Beam, real HTTP."""

import hashlib
import io
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from aiohttp import web
from rich.console import Console

from pipelines import fetch
from pipelines.options import construct
from pipelines.session import Session
from tests.images import jpeg
from tests.servers import Site, pages, site
from wit_builder import manifest, schemas, storage
from wit_builder.errors import UserError
from wit_builder.hashing import uid_of
from wit_builder.parts import PartSummary, list_parts, part_path, read_table, write_table


def write_pairs(folder: Path, urls: list[str], parts: int = 1, texts: int = 1) -> Path:
    """Write the output of a balance: each URL with some texts."""
    rows = [
        {
            "uid": uid_of(url, f"text {number}"),
            "url": url,
            "text": f"text {number}",
            "text_source": "alt",
            "page_url": "http://page/",
            "archive": "a.warc.gz",
            "archive_offset": 0,
            "matched_query_ids": [0],
            "selected_query_ids": [0],
        }
        for url in urls
        for number in range(texts)
    ]
    manifest.begin(str(folder), "balance", {}, {})
    names = [part_path(str(folder), index, parts) for index in range(parts)]
    for index, name in enumerate(names):
        mine = pa.Table.from_pylist(rows[index::parts], schemas.MATCHED_PAIR)
        write_table(name, mine, PartSummary(mine.num_rows, mine.num_rows))
    manifest.finish(str(folder), manifest.sum_footers(names), names, {}, None)
    return folder


def run(pairs: Path, output: Path, **changes: Any) -> dict[str, Any]:
    polite = {
        "requests_per_second": 0.0,
        "allow_private_networks": True,
        "timeout_seconds": 5.0,
        "retries": 0,
        "image_size": 32,
    }
    options = construct(
        fetch.FetchStageOptions, {"pairs": str(pairs), "output": str(output), **polite, **changes}
    )
    return fetch.run(options, Session(console=Console(file=io.StringIO())))


def rows_of(output: Path) -> list[dict[str, Any]]:
    return [row for index in list_parts(str(output / "store")) for row in read_table(index).to_pylist()]


def images_in(output: Path) -> dict[str, bytes]:
    """Read every stored image by its uid."""
    store = str(output / "store")
    return {
        row["uid"]: storage.read_range(
            storage.join(store, row["store_file"]), row["store_offset"], row["store_size"]
        )
        for row in rows_of(output)
        if row["store_file"]
    }


def image_urls(server: Site, number: int) -> list[str]:
    return [server.url(f"/{n}.jpg") for n in range(number)]


def test_every_pair_has_an_outcome_and_every_url_one_request(tmp_path: Path) -> None:
    with pages({f"/{n}.jpg": jpeg(n) for n in range(30)}) as server:
        pairs = write_pairs(tmp_path / "pairs", image_urls(server, 40), 2, texts=2)
        done = run(pairs, tmp_path / "out", urls_per_item=20)
    asked = [path for path in server.requests if path.endswith(".jpg")]
    assert sorted(asked) == sorted(f"/{n}.jpg" for n in range(40))
    assert done["counts"]["rows_out"] == len({row["uid"] for row in rows_of(tmp_path / "out")}) == 80
    assert done["counts"]["counters"] == {"http 404": 20, "success": 60}
    assert len(images_in(tmp_path / "out")) == 60


def test_what_a_list_names_is_never_asked_for_or_stored(tmp_path: Path) -> None:
    with pages({f"/{n}.jpg": jpeg(n) for n in range(6)}) as server:
        urls = image_urls(server, 6)
        pairs = write_pairs(tmp_path / "pairs", urls, texts=2)
        entries = [f"url:{urls[0]}", f"uid:{uid_of(urls[1], 'text 0')}"]
        entries.append(f"sha256:{hashlib.sha256(jpeg(2)).hexdigest()}")
        (tmp_path / "list.txt").write_text("\n".join(entries))
        done = run(pairs, tmp_path / "out", exclude=[str(tmp_path / "list.txt")])
    assert "/0.jpg" not in server.requests
    assert done["counts"]["counters"] == {"excluded": 5, "success": 7}
    stored = {(row["url"], row["text"]) for row in rows_of(tmp_path / "out") if row["store_file"]}
    assert stored == {(url, text) for url in urls[3:] for text in ("text 0", "text 1")} | {
        (urls[1], "text 1")
    }


def test_a_site_with_many_urls_takes_several_rounds(tmp_path: Path) -> None:
    with pages({f"/{n}.jpg": jpeg(n) for n in range(25)}) as server:
        pairs = write_pairs(tmp_path / "pairs", image_urls(server, 25))
        done = run(pairs, tmp_path / "out", max_urls_per_host=10)
    assert done["facts"]["rounds"] == 3
    assert done["counts"]["counters"] == {"success": 25}


def test_what_an_item_has_no_time_for_is_done_in_later_rounds(tmp_path: Path) -> None:
    with pages({f"/{n}.jpg": jpeg(n) for n in range(4)}) as server:
        pairs = write_pairs(tmp_path / "pairs", image_urls(server, 4))
        done = run(pairs, tmp_path / "out", item_seconds=0.0)
    assert done["facts"]["rounds"] == 4
    assert done["counts"]["counters"] == {"success": 4}


@contextmanager
def getting_better(number: int, good_from: dict[int, int]) -> Iterator[Site]:
    """Serve images some of which only come at a later time of asking."""
    asked: dict[int, int] = {}

    async def answer(request: web.Request) -> web.Response:
        name = request.path.removeprefix("/").removesuffix(".jpg")
        if not name.isdigit() or int(name) >= number:
            return web.Response(status=404)
        n = int(name)
        asked[n] = asked.get(n, 0) + 1
        if asked[n] < good_from.get(n, 1):
            return web.Response(status=500) if n % 2 else web.Response(body=jpeg(n)[:200])
        return web.Response(body=jpeg(n))

    with site(answer) as server:
        yield server


def test_failed_rows_are_fetched_anew_on_demand(tmp_path: Path) -> None:
    output = tmp_path / "out"
    with getting_better(20, {1: 2, 2: 2, 3: 3, 4: 2}) as server:
        pairs = write_pairs(tmp_path / "pairs", image_urls(server, 20))
        first = run(pairs, output)
        assert first["counts"]["counters"] == {"not_an_image": 2, "http 500": 2, "success": 16}
        before = images_in(output)
        second = run(pairs, output, retry="failed_to_download")
        assert second["counts"]["counters"] == {"not_an_image": 2, "http 500": 1, "success": 17}
        third = run(pairs, output, retry="failed_to_download,failed_to_resize")
        assert third["counts"]["counters"] == {"success": 20}
        assert run(pairs, output)["counts"] == third["counts"]
    asked = [path for path in server.requests if path.endswith(".jpg")]
    assert len(asked) == 20 + 2 + 3
    rows = rows_of(output)
    assert len(rows) == len({row["uid"] for row in rows}) == 20
    assert before.items() <= images_in(output).items()


@pytest.mark.parametrize("step", ["CopyFailed", "FetchImages", "DropFailed"])
def test_a_retry_that_broke_off_is_finished(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    with getting_better(8, {1: 2, 3: 2, 5: 9}) as server:
        pairs = write_pairs(tmp_path / "pairs", image_urls(server, 8))
        run(pairs, output)

        def break_off(*_: object) -> None:
            raise KeyboardInterrupt

        where = "wit_builder.transforms.fetch" if step == "FetchImages" else "wit_builder.transforms.retry"
        with monkeypatch.context() as patch, pytest.raises(BaseException):  # noqa: B017, PT011
            patch.setattr(f"{where}.{step}.run", break_off)
            run(pairs, output, retry="failed_to_download")
        assert not manifest.is_complete(str(output))
        done = run(pairs, output)
    assert done["counts"]["counters"] == {"http 500": 1, "success": 7}
    assert len({row["uid"] for row in rows_of(output)}) == len(rows_of(output)) == 8


def test_exif_and_what_is_set_aside_stand_in_the_index(tmp_path: Path) -> None:
    tagged = web.Response(body=jpeg(0), headers={"X-Robots-Tag": "noai"})
    with pages({"/0.jpg": tagged}) as server:
        pairs = write_pairs(tmp_path / "pairs", image_urls(server, 1))
        run(pairs, tmp_path / "usual")
        run(pairs, tmp_path / "narrow", honour=("page", "robots.txt", "TDM"))
    (usual,), (narrow,) = rows_of(tmp_path / "usual"), rows_of(tmp_path / "narrow")
    assert (usual["status"], usual["rights"]) == ("failed_to_download", "X-Robots-Tag: noai")
    assert (narrow["status"], narrow["rights_set_aside"]) == ("success", "X-Robots-Tag: noai")


def test_a_disk_that_is_full_keeps_what_was_written(tmp_path: Path) -> None:
    output = tmp_path / "out"
    with pages({f"/{n}.jpg": jpeg(n) for n in range(20)}) as server:
        pairs = write_pairs(tmp_path / "pairs", image_urls(server, 20))
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, before[1]))
            with pytest.raises(UserError, match=r"cannot write into .*store: File too large; make room"):
                run(pairs, output)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert not [path for path in (output / "store").glob("*") if path.suffix != ".tar"]
        assert run(pairs, output)["counts"]["counters"] == {"success": 20}


def test_a_dry_run_asks_nobody_and_tells_rounds_and_days(tmp_path: Path) -> None:
    urls = [f"http://{host}.example.org/{n}.jpg" for host in "ab" for n in range(450)]
    pairs = write_pairs(tmp_path / "pairs", [*urls, "http://x.cdn.net/1", "http://other.com/1"])
    options = construct(
        fetch.FetchStageOptions,
        {"pairs": str(pairs), "output": str(tmp_path / "out"), "contact": "me@example.org"}
        | {"requests_per_second": 0.5, "rate_rules": ["cdn.net=20"]},
    )
    console = Console(file=io.StringIO(), width=120)
    fetch.run(options, Session(dry_run=True, console=console))
    assert isinstance(console.file, io.StringIO)
    lines = [line.replace("│", "").split() for line in console.file.getvalue().splitlines()]
    (largest,) = [line for line in lines if line[:1] == ["example.org"]]
    assert 800 < int(largest[1].replace(",", "")) < 1_000
    assert largest[2:] == ["0.5", "3" if int(largest[1]) <= 900 else "4", "0.02"]
    assert ["cdn.net", "1", "20", "1", "0.00"] in lines
    assert not (tmp_path / "out").exists()


def test_names_that_do_not_resolve_end_the_run_at_once(tmp_path: Path) -> None:
    urls = [f"http://h{n}.invalid/a.jpg" for n in range(5)]
    pairs = write_pairs(tmp_path / "pairs", urls)
    with pytest.raises(UserError, match="none of 5 host names resolves .* mend this machine's DNS"):
        run(pairs, tmp_path / "out", contact="me@example.org")


def test_a_status_that_cannot_be_retried_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="retry is 'success'; use failed_to_download or"):
        run(tmp_path, tmp_path, retry="success")
