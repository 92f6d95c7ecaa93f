import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.vocab.animals import QUERIES as ANIMALS
from vocab.artifact import read_digest
from vocab.ontology import Ontology, Synset, count_rows_with
from vocab.ontology_file import build_ontology
from vocab.vocabulary import open_vocabulary, write_vocabulary
from wit_builder.errors import UserError
from wit_builder.hashing import hash_text
from wit_builder.records import Query, QuerySource

PLAIN = [Query(0, "dog", (QuerySource.UNIGRAM,))]


def _above(synset: Any) -> Any:
    return synset.hypernyms() + synset.instance_hypernyms()


def _under(synset: Any) -> Any:
    return synset.hyponyms() + synset.instance_hyponyms()


def _sample(wordnet: Any, one_in: int) -> list[Any]:
    chosen = [synset for synset in wordnet.all_synsets() if hash_text(synset.name()) % one_in == 0]
    assert len(chosen) > 100
    return chosen


def test_a_synset_is_what_wordnet_says(ontology: Ontology) -> None:
    assert len(ontology) == 117_659
    assert ontology.synset(ontology.find("dog.n.03")) == Synset(
        "dog.n.03", "noun", "informal term for a man", ("dog",)
    )
    assert ontology.synset(ontology.find("good.s.19")).part_of_speech == "adj"


def test_every_synset_keeps_its_name_gloss_and_lemmas(ontology: Ontology, wordnet: Any) -> None:
    for synset in _sample(wordnet, 64):
        found = ontology.synset(ontology.find(synset.name()))
        assert (found.name, found.gloss) == (synset.name(), synset.definition())
        assert list(found.lemmas) == [name.replace("_", " ") for name in synset.lemma_names()]
        assert found.part_of_speech == {"n": "noun", "v": "verb", "r": "adv"}.get(synset.pos(), "adj")


def test_hypernyms_are_nltk_s(ontology: Ontology, wordnet: Any) -> None:
    for synset in _sample(wordnet, 64):
        row = ontology.find(synset.name())
        paths = [[ontology.name(kind) for kind in path] for path in ontology.hypernym_paths(row)]
        assert sorted(paths) == sorted([kind.name() for kind in path] for path in synset.hypernym_paths())
        above = {kind.name() for kind in synset.closure(_above)} | {synset.name()}
        assert {name for path in paths for name in path} == above
        assert all(ontology.is_a(row, ontology.find(name)) for name in above)


@pytest.mark.parametrize(
    "name", ["animal.n.01", "vehicle.n.01", "city.n.01", "move.v.02", "large.a.01", "dog.n.01"]
)
def test_what_is_below_a_kind_is_nltk_s(name: str, ontology: Ontology, wordnet: Any) -> None:
    below = {ontology.name(row) for row in np.flatnonzero(ontology.below(ontology.find(name))).tolist()}
    assert below == {name} | {kind.name() for kind in wordnet.synset(name).closure(_under)}


@pytest.mark.parametrize("word", ["dog", "glasses", "china", "run", "new york", "fast"])
def test_the_synsets_of_a_word_stand_in_wordnet_s_order(word: str, ontology: Ontology, wordnet: Any) -> None:
    expected = [lemma.synset().name() for lemma in wordnet.lemmas(word.replace(" ", "_"))]
    assert [ontology.name(row) for row in ontology.senses(word)] == expected


@pytest.mark.parametrize(
    ("word", "first"),
    [
        ("New-York", "new_york.n.01"),
        ("Cock-a-doodle-doo", "cock-a-doodle-doo.n.01"),
        ("golden retriever", "golden_retriever.n.01"),
        ("dogs", None),
        ("!", None),
    ],
)
def test_words_are_found_as_texts_are_matched(word: str, first: str | None, ontology: Ontology) -> None:
    assert [ontology.name(row) for row in ontology.senses(word)][:1] == ([] if first is None else [first])


def test_every_query_has_the_synsets_of_its_word(ontology: Ontology) -> None:
    ends, rows = ontology.query_synsets()
    assert [str(ends.dtype), str(rows.dtype)] == ["int32", "int32"]
    found = [rows[ends[row] : ends[row + 1]].tolist() for row in range(len(ANIMALS))]
    assert found == [ontology.senses(text) for text in ANIMALS]
    assert [len(senses) for senses in found] == [8, 9, 1, 0, 1, 3, 0, 2]


@pytest.mark.parametrize(
    ("kind", "any_sense", "queries"),
    [
        ("animal", False, ["dog"]),
        ("animal.n.01", True, ["dog", "bass", "sea bass"]),
        ("city", False, ["new york city"]),
        ("food.n.02", False, ["sea bass"]),
        ("entity", False, ["dog", "bass", "new york city", "cock a doodle doo", "sea bass"]),
        ("plant", True, []),
    ],
)
def test_queries_below_a_kind(kind: str, any_sense: bool, queries: list[str], ontology: Ontology) -> None:
    ids = ontology.queries_below(kind, any_sense=any_sense)
    assert str(ids.dtype) == "int32"
    assert [ANIMALS[query_id] for query_id in ids] == queries


def test_rows_of_several_batches_count_once() -> None:
    lists = [
        (np.array([0, 2, 2, 3]), np.array([4, 7, 5], np.int32)),
        (np.array([0, 0]), np.array([], np.int32)),
        (np.array([0, 3]), np.array([1, 4, 9], np.int32)),
    ]
    assert count_rows_with(np.array([4, 7], np.int32), lists) == 2
    assert count_rows_with(np.array([], np.int32), lists) == 0


def test_an_unknown_kind_is_named(ontology: Ontology) -> None:
    with pytest.raises(UserError, match="no synset and no word 'animall'; name one such as animal or animal"):
        ontology.find("animall")


def test_the_ontology_is_a_file_of_the_vocabulary(ontology_folder: Path) -> None:
    content = (ontology_folder / "ontology.arrow").read_bytes()
    assert read_digest(str(ontology_folder), "ontology.arrow") == hashlib.sha256(content).hexdigest()
    digest = open_vocabulary(str(ontology_folder)).digest
    Ontology.open(str(ontology_folder), digest)
    with pytest.raises(UserError, match=r"ontology\.arrow belongs to the vocabulary [0-9a-f]{12}, not aaaa"):
        Ontology.open(str(ontology_folder), "a" * 64)


def test_the_same_queries_give_the_same_bytes(ontology_folder: Path, wordnet: Any) -> None:
    digest = open_vocabulary(str(ontology_folder)).digest
    content = (ontology_folder / "ontology.arrow").read_bytes()
    assert build_ontology(wordnet, ANIMALS, digest) == content


def test_hypernyms_stand_in_the_order_of_their_rows(ontology: Ontology) -> None:
    ends, rows = ontology.hypernyms
    assert (np.diff(rows)[np.setdiff1d(np.arange(rows.size - 1), ends - 1)] > 0).all()


def test_a_vocabulary_without_wordnet_has_none(tmp_path: Path) -> None:
    write_vocabulary(PLAIN, str(tmp_path))
    with pytest.raises(UserError, match="made without WordNet; run `wit vocab build` with --wordnet lemmas"):
        Ontology.open(str(tmp_path))


def test_a_damaged_or_foreign_ontology_is_named(ontology_folder: Path, tmp_path: Path) -> None:
    for path in ontology_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    whole = (ontology_folder / "ontology.arrow").read_bytes()
    for damaged in (b"", whole[:-30], b"x" * 500):
        (tmp_path / "ontology.arrow").write_bytes(damaged)
        with pytest.raises(UserError, match=r"ontology\.arrow cannot be read"):
            Ontology.open(str(tmp_path))
    with pa.ipc.new_file(str(tmp_path / "ontology.arrow"), pa.schema([("names", pa.string())])):
        pass
    with pytest.raises(UserError, match="not an ontology of this version"):
        Ontology.open(str(tmp_path))
    (tmp_path / "ontology.arrow").unlink()
    with pytest.raises(UserError, match=r"ontology\.arrow cannot be read"):
        Ontology.open(str(tmp_path))


def test_reading_it_needs_no_nltk(ontology_folder: Path) -> None:
    code = (
        "import sys; from vocab.ontology import Ontology; "
        f"print(len(Ontology.open({str(ontology_folder)!r})), 'nltk' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "117659 False\n"
