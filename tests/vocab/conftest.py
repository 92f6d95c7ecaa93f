from pathlib import Path
from typing import Any

import pytest

from tests import wikipedia
from tests.vocab import animals
from vocab.ontology import Ontology
from vocab.vocabulary import write_vocabulary
from wit_builder.records import Query, QuerySource


@pytest.fixture(scope="session")
def enwiki_sample() -> Path:
    """A piece of the English Wikipedia's dump that gensim's wheel carries: 206 pages, 1.7 MB."""
    return wikipedia.enwiki_sample()


@pytest.fixture(scope="session")
def ontology_folder(wordnet: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The vocabulary `animals.QUERIES` with its ontology."""
    folder = tmp_path_factory.mktemp("ontology")
    queries = [Query(row, text, (QuerySource.UNIGRAM,)) for row, text in enumerate(animals.QUERIES)]
    write_vocabulary(queries, str(folder), wordnet)
    return folder


@pytest.fixture(scope="session")
def ontology(ontology_folder: Path) -> Ontology:
    return Ontology.open(str(ontology_folder))
