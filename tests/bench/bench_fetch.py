"""Images fetched, resized and stored: `wit fetch` against img2dataset, same server, same images.

    python -m tests.bench.bench_fetch [--images 1200] [--flat 50000] [--json FILE]

The peer is installed from PyPI into an environment of its own under ~/.cache. Rates are the
difference of a long and a short run, so that no one's start counts; per core they are by
processor seconds, which other work on the machine does not change much.
"""

import argparse
import asyncio
import io
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from tests.bench.processes import Usage, run_measured
from tests.bench.table import Row, report
from tests.images import jpeg
from tests.wit_builder.test_images import photo
from tests.wit_builder.test_sandbox import huge_png

PEER = "img2dataset==1.47.0"
_QUALITY = 75  # about 2 bits a pixel, as photos on the web have
_SHORT = 3  # a short run is a third of a long one
_PEER_RUN = """
import sys
from img2dataset import download
urls, out, cores, images = sys.argv[1:]
if __name__ == "__main__":
    download(url_list=urls, output_folder=out, processes_count=int(cores), thread_count=64, image_size=256,
             resize_mode="keep_ratio", resize_only_if_bigger=True, output_format="webdataset",
             number_sample_per_shard=-(-int(images) // int(cores)), encode_quality=95)
"""


def encoded(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, quality=_QUALITY) if kind in ("JPEG", "WEBP") else image.save(file, kind)
    return file.getvalue()


def photos() -> dict[str, bytes]:
    """Make JPEGs of 1.2, 1.9 and 4 megapixels."""
    sizes = ((1280, 960), (1600, 1200), (2304, 1728))
    return {f"{n}.jpg": encoded(photo(*sizes[n % 3], seed=n), "JPEG") for n in range(6)}


def mixed() -> dict[str, bytes]:
    """Make the formats of the web: photos as JPEG and WebP, drawings as PNG with alpha and as GIF."""
    files: dict[str, bytes] = {}
    for n in range(3):
        image = photo(1280, 960, seed=n)
        files[f"{n}.jpg"], files[f"{n}.webp"] = encoded(image, "JPEG"), encoded(image, "WEBP")
        drawing = Image.open(io.BytesIO(jpeg(n, 1280, 960))).convert("RGB")
        files[f"{n}.gif"] = encoded(drawing, "GIF")
        drawing.putalpha(Image.linear_gradient("L").resize(image.size))
        files[f"{n}.png"] = encoded(drawing, "PNG")
    return files


def thumbnails() -> dict[str, bytes]:
    return {f"{n}.jpg": jpeg(n) for n in range(50)}


@contextmanager
def serving(files: dict[str, bytes], folder: Path) -> Iterator[str]:
    """Serve files from another process; give its address."""
    folder.mkdir()
    for name, body in files.items():
        (folder / name).write_bytes(body)
    command = ["taskset", "-c", "0", sys.executable, "-m", "tests.bench.image_server", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.terminate()


def peer_python() -> str:
    """Give the Python of the peer's environment, made at the first time."""
    folder = Path.home() / ".cache" / "wit-builder-bench" / PEER.replace("==", "-")
    python = folder / "bin" / "python"
    if not (folder / "bin" / "img2dataset").exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", PEER], check=True)
    return str(python)


def ours(urls: Sequence[str], folder: Path, cores: int) -> list[str]:
    from tests.pipelines.test_fetch import write_pairs

    write_pairs(folder / "pairs", list(urls))
    return [sys.executable, "-m", "tests.bench.fetch_run", str(folder), str(cores)]


def peers(urls: Sequence[str], folder: Path, cores: int) -> list[str]:
    (folder / "urls.txt").write_text("\n".join(urls))
    script = folder / "peer.py"
    script.write_text(_PEER_RUN)
    return [
        peer_python(),
        str(script),
        str(folder / "urls.txt"),
        str(folder / "peer"),
        str(cores),
        str(len(urls)),
    ]


def addresses(base: str, names: Sequence[str], number: int) -> list[str]:
    return [f"{base}/{n}/{names[n % len(names)]}" for n in range(number)]


def measured(command: list[str], cores: int) -> Usage:
    return run_measured(["taskset", "-c", "1" if cores == 1 else "0,1", *command])


def compare(name: str, files: dict[str, bytes], images: int, cores: int) -> Row:
    """Run both, long and short, and compare the differences."""
    with tempfile.TemporaryDirectory() as place, serving(files, Path(place) / "files") as base:
        rates: list[float] = []
        peaks: list[float] = []
        for make in (ours, peers):
            usages = []
            for number in (images // _SHORT, images):
                folder = Path(place) / f"{make.__name__}-{number}"
                folder.mkdir()
                usages.append(measured(make(addresses(base, sorted(files), number), folder, cores), cores))
            short, long = usages
            took = long.cpu_seconds - short.cpu_seconds if cores == 1 else long.seconds - short.seconds
            rates.append((images - images // _SHORT) / max(took, 1e-3))
            peaks.append(long.peak_mb)
    unit = "images/s, cpu" if cores == 1 else "images/s, clock"
    mine, peer = rates
    return Row(name, unit, round(mine, 1), round(peer, 1), PEER, round(mine / peer, 2), round(peaks[0], 1))


async def fetch_only(urls: list[str]) -> float:
    """Give the milliseconds of processor time that one image takes without decoding."""
    from wit_builder.download import Downloader, DownloadOptions
    from wit_builder.fetch import FetchOptions, fetch_images
    from wit_builder.robots import RobotsPolicy

    options = DownloadOptions(requests_per_second=0, allow_private_networks=True, connections_per_host=32)
    async with Downloader(options) as client:
        policy = RobotsPolicy(client.get, options.user_agent)
        began = time.process_time()
        settings = FetchOptions(workers_per_host=32)
        requests = [(url, None) for url in urls]
        results = [result.status async for result in fetch_images(requests, client, policy, settings)]
    assert set(results) == {"success"}
    return (time.process_time() - began) / len(urls) * 1_000


def flat_memory(number: int) -> Usage:
    """Fetch many small images; the memory must not grow with them."""
    files = thumbnails()
    with tempfile.TemporaryDirectory() as place, serving(files, Path(place) / "files") as base:
        folder = Path(place) / "run"
        folder.mkdir()
        return run_measured(ours(addresses(base, sorted(files), number), folder, 1))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=1_200)
    parser.add_argument("--flat", type=int, default=0, help="also fetch so many small images")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = [
        compare(f"{name}, {cores} core{'s' * (cores > 1)}", files, given.images, cores)
        for name, files in (("JPEG 1-4 MP", photos()), ("JPEG, PNG with alpha, WebP, GIF", mixed()))
        for cores in (1, 2)
    ]
    with tempfile.TemporaryDirectory() as place, serving(thumbnails(), Path(place) / "files") as base:
        cost = asyncio.run(fetch_only(addresses(base, sorted(thumbnails()), 5_000)))
    rows.append(
        Row(
            "fetching alone, processor time",
            "ms an image",
            round(cost, 3),
            0.4,
            "the aim",
            round(0.4 / cost, 2),
            0.0,
        )
    )
    report("fetch, resize to 256, store", rows)
    with tempfile.TemporaryDirectory() as place:
        files = {**photos(), "huge.png": huge_png(15_200)}
        with serving(files, Path(place) / "files") as base:
            folder = Path(place) / "run"
            folder.mkdir()
            usage = run_measured(ours(addresses(base, sorted(files), 60), folder, 1))
    print(f"with PNGs of 231 megapixels: {usage.peak_mb:,.0f} MB in the largest process")
    if given.flat:
        for number in (given.flat // 10, given.flat):
            usage = flat_memory(number)
            print(
                f"{number:,} small images: {usage.peak_mb:,.0f} MB in the largest process, "
                f"{usage.seconds:,.0f} s, {usage.cpu_seconds / number * 1_000:.2f} ms of a core each"
            )


if __name__ == "__main__":
    main()
