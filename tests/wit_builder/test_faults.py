"""The hostile web: every fault of the table, and one among ten good images."""

import asyncio
import os
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pyarrow as pa
import pytest
from aiohttp import web

from tests.certificates import Authority
from tests.faults import FAULTS, SUCCESS, Fault, start, table
from tests.images import jpeg
from tests.pairs import matched
from tests.servers import site
from wit_builder import schemas
from wit_builder.download import DownloadOptions
from wit_builder.fetch import FetchOptions
from wit_builder.images import ImageError, ImageOptions
from wit_builder.parts import PartSummary, read_table, write_table
from wit_builder.records import Status
from wit_builder.rights import RightsOptions
from wit_builder.rounds import Round
from wit_builder.sandbox import DecodeLimits
from wit_builder.transforms.fetch import FetchImages, FetchSettings
from wit_builder.transforms.parts import WorkItem
from wit_builder.web import FetchError, Refusal

TIMEOUT = 1.5  # seconds
GOOD_IMAGES = int(os.environ.get("WIT_GOOD_IMAGES", "500"))
"""Set it to 5,000 for the whole run."""


@pytest.fixture(scope="module")
def authority() -> Authority:
    made = Authority()
    aiohttp.connector._SSL_CONTEXT_VERIFIED.load_verify_locations(cadata=made.pem)
    return made


def fetch(
    folder: Path, requests: list[tuple[str, str | None]], *, private: bool = False
) -> dict[str, dict[str, Any]]:
    """Fetch as one work item; give the index's rows by URL."""
    folder.mkdir(exist_ok=True)
    pairs = pa.Table.from_batches([matched((url, [0]) for url, _ in requests)])
    grounds = pa.array([ground for _, ground in requests], pa.string())
    pairs = pairs.set_column(pairs.schema.get_field_index("opt_out"), "opt_out", grounds)
    plan, index = str(folder / "plan.parquet"), str(folder / "part-000-00000.parquet")
    write_table(plan, pairs.cast(schemas.MATCHED_PAIR), PartSummary(len(requests), len(requests)))
    download = DownloadOptions(
        requests_per_second=0,
        allow_private_networks=not private,
        timeout_seconds=TIMEOUT,
        retries=0,
        max_bytes=3_000_000,
    )
    settings = FetchSettings(
        contact="me@example.org",
        download=download,
        fetch=FetchOptions(workers=256, workers_per_host=4, give_up_after=10_000),
        rights=RightsOptions(),
        images=ImageOptions(),
        limits=DecodeLimits(decode_memory=256),
        decoders=2,
    )
    make = FetchImages(settings, Round(0, None, {}, download.rates()))
    make.setup()
    make.run(WorkItem((plan,), index))
    return {row["url"]: row for row in read_table(index).to_pylist()}


def outcome(row: dict[str, Any]) -> tuple[str, str | None]:
    return row["status"], row["error_message"]


def test_every_fault_has_its_outcome(tmp_path: Path, authority: Authority) -> None:
    with ExitStack() as stack:
        started = [(fault, *start(fault, stack, authority)) for fault in FAULTS]
        rows: dict[str, dict[str, Any]] = {}
        for private in (False, True):
            requests = [(url, fault.opt_out) for fault, url, _ in started if fault.private == private]
            rows.update(fetch(tmp_path / str(private), requests, private=private))
    wrong = {
        fault.does: (outcome(rows[url]), (fault.status, fault.message))
        for fault, url, _ in started
        if outcome(rows[url]) != (fault.status, fault.message)
    }
    assert wrong == {}
    asked = {
        fault.does: server.requests for fault, _, server in started if server and fault.group == "rights"
    }
    for fault in FAULTS:
        if fault.message in (*map(str, Refusal),):
            assert fault.path not in asked.get(fault.does, []), fault.does


def test_the_table_is_whole() -> None:
    assert len(FAULTS) >= 40
    assert len({fault.does for fault in FAULTS}) == len(FAULTS)
    closed = {*map(str, FetchError), *map(str, ImageError), *map(str, Refusal), "TDM-Reservation", None}
    for fault in FAULTS:
        known = fault.message in closed or str(fault.message).startswith(("http ", "X-Robots-Tag: "))
        assert known, fault.message
        assert (fault.status == SUCCESS) == (fault.message is None)
        assert fault.status in list(Status)


def test_the_page_of_faults_is_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "faults.md"
    assert page.read_text() == table() + "\n", "run: python -m tests.faults > docs/faults.md"


def _mixed(servers: list[tuple[Fault, str]], number: int) -> list[tuple[str, str | None, Fault]]:
    """Ask each fault in turn, by an address of its own each time."""
    usable = [
        (fault, url)
        for fault, url in servers
        if not fault.private and fault.group in ("transport", "content")
    ]
    return [
        (f"{url}?{n}", fault.opt_out, fault)
        for n in range(number)
        for fault, url in [usable[n % len(usable)]]
    ]


def test_one_fault_in_ten_costs_no_good_image(tmp_path: Path, authority: Authority) -> None:
    images = [jpeg(n) for n in range(50)]

    async def serve(request: web.Request) -> web.Response:
        if not request.path.endswith(".jpg"):
            return web.Response(status=404)
        await asyncio.sleep(0)
        return web.Response(body=images[int(request.path[1:-4]) % 50], content_type="image/jpeg")

    with site(serve) as good, ExitStack() as stack:
        servers = [(fault, start(fault, stack, authority)[0]) for fault in FAULTS]
        bad = _mixed(servers, GOOD_IMAGES // 9)
        wanted: list[tuple[str, str | None]] = [(good.url(f"/{n}.jpg"), None) for n in range(GOOD_IMAGES)]
        began = time.monotonic()
        fetch(tmp_path / "good", wanted)
        alone = time.monotonic() - began
        began = time.monotonic()
        rows = fetch(tmp_path / "mixed", [*wanted, *((url, ground) for url, ground, _ in bad)])
        together = time.monotonic() - began
    assert Counter(outcome(rows[url]) for url, _ in wanted) == {(SUCCESS, None): GOOD_IMAGES}
    assert len(rows) == len(wanted) + len(bad)
    per_server = -(-len(bad) // len({fault.does for _, _, fault in bad}))
    limits = per_server * (2 * TIMEOUT + 1) + sum(0.5 for _, _, fault in bad if fault.group == "content")
    assert together < 2 * alone + limits + 10
