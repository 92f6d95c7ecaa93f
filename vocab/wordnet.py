"""WordNet's words as queries.

NLTK reads WordNet only from a `corpora/wordnet` folder under a folder of its
data path, refuses links that lead out of it, and needs `lexnames`, which Debian's
package lacks. So the database, wherever it is found, is copied (36 MB) into such
a folder once and our `lexnames.txt` beside it.
"""

import warnings
import zipfile
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import nltk
from nltk.corpus.reader import WordNetCorpusReader

from vocab.entry import Entry
from wit_builder import storage
from wit_builder.errors import UserError
from wit_builder.records import QuerySource

_DEBIAN_FOLDER = "/usr/share/wordnet"
_CORPUS = "corpora/wordnet"
_PARTS_OF_SPEECH = ("noun", "verb", "adj", "adv")
_FILES = (
    *(f"{kind}.{part}" for kind in ("data", "index") for part in _PARTS_OF_SPEECH),
    *(f"{part}.exc" for part in _PARTS_OF_SPEECH),
    "cntlist.rev",
    "index.sense",
)
# Number, name, part of speech of lexicographer files: manual page lexnames(5WN) of WordNet 3.0.
_LEXNAMES = resources.files("vocab") / "lexnames.txt"
_REMEDY = (
    "apt install wordnet-base wordnet-sense-index, "
    "or python -c \"import nltk; nltk.download('wordnet')\", or name its folder"
)


def find_wordnet(folder: str | None = None) -> Path:
    """Find a WordNet database on this machine.

    Args:
        folder: that holds data.noun; None looks in NLTK's data path, then where
            Debian's wordnet-base puts it, and then lets NLTK download it.

    Returns:
        The folder that holds data.noun, or the zip that NLTK's downloader leaves.

    Raises:
        UserError: there is none.
    """
    found = _first([Path(folder)] if folder is not None else _usual_places())
    if found is None and folder is None and nltk.download("wordnet", quiet=True):
        found = _first(_usual_places())
    if found is None:
        where = f"in {folder}" if folder is not None else f"on NLTK's data path nor in {_DEBIAN_FOLDER}"
        raise UserError(f"no WordNet (data.noun) {where}; {_REMEDY}")
    return found


def _first(places: Iterable[Path]) -> Path | None:
    for place in places:
        if (place / "data.noun").is_file() or (place.suffix == ".zip" and place.is_file()):
            return place
    return None


def _usual_places() -> Iterator[Path]:
    for root in nltk.data.path:
        yield Path(root, _CORPUS)
        yield Path(root, f"{_CORPUS}.zip")
    yield Path(_DEBIAN_FOLDER)


def open_wordnet(source: Path, cache: Path) -> Any:
    """Load WordNet through NLTK; about 3 seconds.

    Adds `cache` to NLTK's data path, for the whole process.

    Args:
        source: what `find_wordnet` found.
        cache: folder to copy the database to, if it is not there yet.

    Returns:
        nltk.corpus.reader.WordNetCorpusReader.

    Raises:
        UserError: a file of the database is missing.
    """
    corpus = cache.resolve() / _CORPUS
    _copy_database(source, corpus)
    storage.write_bytes(str(corpus / "lexnames"), _LEXNAMES.read_bytes())
    root = str(cache.resolve())
    if root not in nltk.data.path:
        nltk.data.path.insert(0, root)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The multilingual functions are not available")
        return WordNetCorpusReader(str(corpus), None)


def _copy_database(source: Path, corpus: Path) -> None:
    root: zipfile.Path | Path = source
    if source.suffix == ".zip":
        root = zipfile.Path(source, "wordnet/")
    for name in _FILES:
        if (corpus / name).exists():
            continue
        if not (root / name).is_file():
            raise UserError(f"the WordNet in {source} has no {name}; {_REMEDY}")
        storage.write_bytes(str(corpus / name), (root / name).read_bytes())


def lemma_queries(wordnet: Any, mode: str = "synsets") -> list[Entry]:
    """List the words of WordNet.

    Args:
        wordnet: what `open_wordnet` gave.
        mode: "synsets", the first word of every synset, or "lemmas", every word.

    Returns:
        Each text once, sorted, with blanks for underscores.

    Raises:
        UserError: there is no such mode.
    """
    if mode == "synsets":
        return _entries((s.lemma_names()[0] for s in wordnet.all_synsets()), QuerySource.WORDNET_SYNSET)
    if mode == "lemmas":
        return _entries(wordnet.all_lemma_names(), QuerySource.WORDNET_LEMMA)
    raise UserError(f"no WordNet mode {mode!r}; use synsets or lemmas")


def _entries(names: Iterable[str], source: QuerySource) -> list[Entry]:
    return [Entry(text, source) for text in sorted({name.replace("_", " ") for name in names})]
