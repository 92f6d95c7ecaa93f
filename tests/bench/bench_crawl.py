"""Pages crawled per processor second: ours against wget, both from a local site into WARC files."""

import asyncio
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from aiohttp import web

from tests.bench.table import compare, report
from wit_builder.crawl import crawl
from wit_builder.crawl_options import CrawlOptions
from wit_builder.download import Downloader, DownloadOptions
from wit_builder.robots import RobotsPolicy

PAGES = 3_000
LINKS = 50
PORT = 18_099
SEED = f"http://127.0.0.1:{PORT}/0"
PARAGRAPH = "Some words with <b>mark-up</b> and <img src='/i.jpg' alt='a picture'> in them. "


async def answer(request: web.BaseRequest) -> web.Response:
    """Serve pages of 12 kB that link to each other."""
    if not request.path[1:].isdigit():
        return web.Response(status=404)
    number = int(request.path[1:])
    links = "".join(
        f'<a href="/{(number * 31 + at * 977) % PAGES}">link {at}</a>' for at in range(1, LINKS + 1)
    )
    return web.Response(text=f"<title>{number}</title>{links}<p>{PARAGRAPH * 120}", content_type="text/html")


async def serve() -> None:
    """Serve until killed."""
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", PORT).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


async def crawl_all(output: Path) -> None:
    """Crawl the site."""
    polite = DownloadOptions(requests_per_second=0.0, allow_private_networks=True)
    options = CrawlOptions(
        seeds=(SEED,), output=str(output), max_depth=99, requests_per_second=0.0, allow_private_networks=True
    )
    async with Downloader(polite) as client:
        await crawl(options, client, partial(RobotsPolicy, user_agent="wit-builder"))


def processor_seconds(command: list[str], statuses: tuple[int, ...]) -> float:
    """Run a command; give its processor time.

    Raises:
        RuntimeError: it failed.
    """
    before = getrusage(RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if done.returncode not in statuses:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}")
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Print the table."""
    if shutil.which("wget") is None:
        print("crawl: wget is not installed; install it to compare")
        return
    this = [sys.executable, "-m", "tests.bench.bench_crawl"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen([*this, "--serve"], stdout=subprocess.PIPE) as server,
    ):
        assert server.stdout is not None
        server.stdout.readline()
        ours = processor_seconds([*this, "--crawl", f"{folder}/ours"], (0,))
        wget = [
            "wget",
            "-q",
            "-r",
            "-l",
            "99",
            "--delete-after",
            f"--warc-file={folder}/w",
            "-P",
            folder,
            SEED,
        ]
        peer = processor_seconds(wget, (0, 8))  # 8: the pictures are not there
        server.kill()
    rows = [compare("12 kB pages, 50 links each", "pages/processor s", PAGES / ours, PAGES / peer, "wget")]
    report("crawl", rows)


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        asyncio.run(serve())
    elif sys.argv[1:2] == ["--crawl"]:
        asyncio.run(crawl_all(Path(sys.argv[2])))
    else:
        main()
