"""What the demo is made of: free pictures, a manual, WordNet and a bit of Wikipedia.

They come from the system's package client and pip, without root, and are unpacked
into `.cache/`; nothing is installed. `DEMO_DATA` names a folder that already has them.
"""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wit_builder.errors import UserError

Say = Callable[[str], None]
"""Takes a line for people."""

CACHE = Path(".cache")
WORDNET_PACKAGES = ("wordnet-base", "wordnet-sense-index")
PACKAGES = (
    "openclipart-png",
    "openclipart-svg",
    "tuxpaint-stamps-default",
    "gimp-help-en",
    *WORDNET_PACKAGES,
)
_ENWIKI = "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"


@dataclass(frozen=True)
class Inputs:
    """Folders and files of the demo."""

    clipart_png: Path
    clipart_svg: Path
    stamps: Path
    manual: Path
    wordnet: Path
    wikipedia: Path


def find_inputs(say: Say) -> Inputs:
    """Find what the demo needs, downloading what is not there.

    Args:
        say: told of each download.

    Raises:
        UserError: something cannot be had; says what, and how to bring it along.
    """
    brought = os.environ.get("DEMO_DATA")
    root = Path(brought) if brought else fetch_packages(PACKAGES, say)
    share = root / "usr" / "share"
    inputs = Inputs(
        clipart_png=share / "openclipart" / "png",
        clipart_svg=share / "openclipart" / "svg",
        stamps=share / "tuxpaint" / "stamps",
        manual=share / "gimp" / "2.0" / "help",
        wordnet=share / "wordnet",
        wikipedia=_enwiki(root),
    )
    for name, path in vars(inputs).items():
        if not path.exists():
            raise UserError(
                f"the demo's {name} is not at {path}; unpack the Debian packages {', '.join(PACKAGES)} "
                "into one folder with `dpkg -x` and point DEMO_DATA at it"
            )
    return inputs


def fetch_wordnet() -> Path:
    """Give the folder of WordNet's database files, downloading it if need be.

    Raises:
        UserError: it cannot be had.
    """
    return fetch_packages(WORDNET_PACKAGES, lambda _: None) / "usr" / "share" / "wordnet"


def _enwiki(root: Path) -> Path:
    if (root / _ENWIKI).exists():
        return root / _ENWIKI
    found = importlib.util.find_spec("gensim")  # its wheel carries a sample of English Wikipedia
    if found is None or found.origin is None:
        raise UserError(
            f"the Wikipedia sample is missing: pip install gensim, or put {_ENWIKI} into DEMO_DATA"
        )
    return Path(found.origin).parent / "test" / "test_data" / _ENWIKI


def fetch_packages(packages: Sequence[str], say: Say) -> Path:
    """Download and unpack Debian packages into the cache, each once; give its root.

    Args:
        packages: their names.
        say: told of each download.

    Raises:
        UserError: there is no apt, or a package cannot be downloaded.
    """
    root = CACHE.absolute() / "demo" / "root"
    missing = [name for name in packages if not (root / f".{name}").exists()]
    if not missing:
        return root
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise UserError(
                f"{tool} is not on this machine, so {', '.join(missing)} cannot be downloaded; "
                "unpack them into a folder and point DEMO_DATA at it"
            )
    archives = CACHE.absolute() / "apt" / "archives"
    (CACHE.absolute() / "apt" / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    archives.mkdir(parents=True, exist_ok=True)
    root.mkdir(parents=True, exist_ok=True)
    _apt(["update"], CACHE, missing)
    for number, name in enumerate(missing, 1):
        say(f"download {name} ({number} of {len(missing)})")
        _apt(["download", name], archives, [name])
        (archive,) = archives.glob(f"{name}_*.deb")
        subprocess.run(["dpkg", "-x", str(archive), str(root)], check=True)
        archive.unlink()
        (root / f".{name}").touch()
    return root


def _apt(command: list[str], folder: Path, packages: Sequence[str]) -> None:
    """Run apt-get with a state folder of our own, so that it needs no root."""
    apt = CACHE.absolute() / "apt"
    settings = {
        "Dir::State::Lists": apt / "lists",
        "Dir::Cache": apt,
        "Debug::NoLocking": "true",
        "APT::Sandbox::User": "",
    }
    options = [f"-o{name}={value}" for name, value in settings.items()]
    done = subprocess.run(
        ["apt-get", "-qq", *options, *command], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode and command[0] == "download":  # a failed update may leave older lists that serve
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(
            f"the Debian package {packages[0]} cannot be downloaded ({reason}); "
            "unpack it into a folder with `dpkg -x` and point DEMO_DATA at it"
        )
