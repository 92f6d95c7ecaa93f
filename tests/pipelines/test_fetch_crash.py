import hashlib
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.images import jpeg
from tests.pipelines.test_fetch import image_urls, images_in, rows_of, write_pairs
from tests.servers import pages

IMAGES = 200
KILLS = 20


def test_kills_at_any_moment_lose_nothing_and_change_nothing(tmp_path: Path) -> None:
    with pages({f"/{n}.jpg": jpeg(n) for n in range(IMAGES - 5)}) as server:
        pairs = write_pairs(tmp_path / "pairs", image_urls(server, IMAGES), texts=2)
        command = [sys.executable, "-m", "tests.crashing", str(pairs), str(tmp_path), str(KILLS)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= KILLS
    calm, rough = tmp_path / "calm", tmp_path / "rough"
    uids = [row["uid"] for row in rows_of(rough / "images")]
    assert len(uids) == len(set(uids)) == 2 * IMAGES
    assert images_in(rough / "images") == images_in(calm / "images")
    stored = {row["store_file"] for row in rows_of(rough / "images")} - {None}
    assert {tar.name for tar in (rough / "images" / "store").glob("*.tar")} == stored
    for tar in (rough / "images" / "store").glob("*.tar"):
        with tarfile.open(tar) as archive:
            assert all(archive.extractfile(member) for member in archive)
    assert shard_digests(rough) == shard_digests(calm) != {}


def shard_digests(folder: Path) -> dict[str, str]:
    tars = sorted((folder / "dataset").rglob("*.tar"))
    return {tar.name: hashlib.sha256(tar.read_bytes()).hexdigest() for tar in tars}
