import importlib.util
from pathlib import Path
from typing import Any

import pytest

from vocab.wordnet import open_wordnet

_REPO = Path(__file__).parents[2]
_DEMO_WORDNET = _REPO / ".cache/demo/root/usr/share/wordnet"
_DEBIAN_WORDNET = Path("/usr/share/wordnet")
_ENWIKI = "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"


@pytest.fixture(scope="session")
def enwiki_sample() -> Path:
    """A piece of the English Wikipedia's dump that gensim's wheel carries: 206 pages, 1.7 MB."""
    gensim = importlib.util.find_spec("gensim")
    assert gensim is not None
    assert gensim.origin is not None
    return Path(gensim.origin).parent / "test/test_data" / _ENWIKI


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
    return open_wordnet(wordnet_folder, tmp_path_factory.mktemp("nltk"))
