import io
import socket
import tarfile
import urllib.request
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from pipelines.demo.evalset import MIN_TRAINING_PICTURES, top_folder, write_zeroshot_task
from pipelines.demo.galleries import Picture, clipart, pages, stamps
from pipelines.demo.inputs import find_inputs
from pipelines.demo.sites import HOST, Site, serve
from tests.images import jpeg
from tests.servers import unused_port
from tests.store import write_store
from wit_builder.duplicates import keep_one_per_image
from wit_builder.errors import UserError
from wit_builder.exclude import ExcludeList
from wit_builder.parts import read_table
from wit_builder.ranges import read_pieces
from wit_builder.shards import ShardPlan, write_shard

SVG = """<svg><title>not this</title><metadata><rdf:RDF><cc:Work><dc:title>Red &amp; blue
frog</dc:title><dc:subject><rdf:Bag><rdf:li>frog</rdf:li><rdf:li>animal</rdf:li><rdf:li>frog</rdf:li>
</rdf:Bag></dc:subject></cc:Work></rdf:RDF></metadata></svg>"""


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jpeg(1))


def test_clip_art_is_captioned_by_the_metadata_of_its_svg(tmp_path: Path) -> None:
    for name in ("animals/frog.png", "animals/untitled.png", "animals/alone.png"):
        picture(tmp_path / "png" / name)
    for name, content in (("animals/frog.svg", SVG), ("animals/untitled.svg", "<svg/>")):
        (tmp_path / "svg" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "svg" / name).write_text(content)
    found = clipart(tmp_path / "png", tmp_path / "svg")
    assert found == [Picture("animals/frog.png", "Red & blue frog, frog, animal")]


def test_stamps_are_captioned_by_the_first_line_beside_them(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d", "e"):
        picture(tmp_path / "food" / f"{name}.png")
        caption = "An apple." if name == "a" else "A shape."
        (tmp_path / "food" / f"{name}.txt").write_text(f"{caption}\nde.utf8=Ein Apfel.\n")
    assert stamps(tmp_path) == [Picture("food/a.png", "An apple.")]  # four share the other caption


def test_pages_link_every_picture_and_escape_captions() -> None:
    pictures = [Picture(f"a b/{n}.png", f'"{n}" & <b>') for n in range(60)]
    laid_out = pages("Title", pictures)
    assert sorted(laid_out) == ["/", "/a b-1.html", "/a b-2.html"]
    assert 'href="/a%20b-1.html"' in laid_out["/"]
    assert 'src="/images/a%20b/0.png" alt="&quot;0&quot; &amp; &lt;b&gt;"' in laid_out["/a b-1.html"]
    assert sum(page.count("<img") for page in laid_out.values()) == 60


def test_a_site_serves_pages_and_files_and_a_busy_port_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "frog.jpg")
    site = Site("frogs", unused_port(), tmp_path, "/images/", {"/": "<p>frogs"})
    with serve([site]):
        root = f"http://{HOST}:{site.port}"
        assert urllib.request.urlopen(f"{root}/").read() == b"<p>frogs"
        assert urllib.request.urlopen(f"{root}/images/frog.jpg").read() == jpeg(1)
        assert b"Allow" in urllib.request.urlopen(f"{root}/robots.txt").read()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{root}/frog.jpg")
        with pytest.raises(UserError, match=f"port {site.port} of 127.0.0.1 is busy"), serve([site]):
            pass
    with socket.create_server((HOST, site.port)):
        pass  # the port is free again


def test_demo_data_that_lacks_something_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_DATA", str(tmp_path))
    with pytest.raises(UserError, match=f"the demo's clipart_png is not at {tmp_path}"):
        find_inputs(print)


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("http://h:1/images/animals/birds/crow.png", "animals"),
        ("http://h:1/images/unsorted/x.png", None),
        ("http://h:1/images/crow.png", None),
        ("http://h:1/en/images/a/b.png", None),
    ],
)
def test_the_class_of_a_picture_is_its_top_folder(url: str, folder: str | None) -> None:
    assert top_folder(url) == folder


def test_the_zero_shot_task_has_the_folders_that_training_knows(tmp_path: Path) -> None:
    images = 2 * MIN_TRAINING_PICTURES + 60

    def url(number: int) -> str:
        folder = ("animals", "tools", "rare")[number % 3 if number < 20 else number % 2]
        return f"http://h/images/{folder}/{number}.jpg"

    store = write_store(tmp_path / "store", images, urls=url)
    rows, _ = keep_one_per_image(read_table(str(store / "part-000-00000.parquet")), 0, merge_texts=False)
    plan = ShardPlan(train=1, holdout=1, holdout_share=0.2, seed=0)
    rows, shards = plan.in_order(rows)
    read = partial(read_pieces, str(store))
    for shard in range(2):
        write_shard(str(tmp_path / "data"), shard, plan, rows.filter(shards == shard), read, ExcludeList())
    counts = write_zeroshot_task(tmp_path / "data", tmp_path / "task")
    assert sorted(counts) == ["animals", "tools"]
    assert (tmp_path / "task" / "classnames.txt").read_text() == "animal\ntool\n"
    with tarfile.open(tmp_path / "task" / "0.tar") as archive:
        names = archive.getnames()
        first = archive.extractfile(names[0])
        assert first is not None
        assert Image.open(io.BytesIO(first.read())).format == "JPEG"
    assert len(names) == 2 * sum(counts.values())
