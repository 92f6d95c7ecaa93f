"""WordNet for tests, loaded once a session."""

from pathlib import Path
from typing import Any

import pytest

_REPO = Path(__file__).parents[1]
_DEMO_WORDNET = _REPO / ".cache/demo/root/usr/share/wordnet"
_DEBIAN_WORDNET = Path("/usr/share/wordnet")


@pytest.fixture(scope="session")
def wordnet_folder() -> Path:
    """The folder that holds WordNet's data.noun: unpacked before, Debian's, or fetched."""
    for folder in (_DEMO_WORDNET, _DEBIAN_WORDNET):
        if (folder / "data.noun").is_file() and (folder / "index.sense").is_file():
            return folder
    from pipelines.demo.inputs import fetch_wordnet

    return Path(fetch_wordnet())


@pytest.fixture(scope="session")
def wordnet(wordnet_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    from vocab.wordnet import open_wordnet  # NLTK: a second that other tests do without

    return open_wordnet(wordnet_folder, tmp_path_factory.mktemp("nltk"))
