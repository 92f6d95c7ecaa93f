import zipfile
from importlib import resources
from pathlib import Path
from typing import Any

import nltk.data
import pytest

from vocab.entry import Entry
from vocab.wordnet import find_wordnet, lemma_queries, open_wordnet
from wit_builder.errors import UserError
from wit_builder.records import QuerySource


def test_every_lemma_is_a_query(wordnet: Any) -> None:
    entries = lemma_queries(wordnet, "lemmas")
    texts = [entry.text for entry in entries]
    assert len(texts) == 147_306
    assert texts == sorted(set(texts))
    assert Entry("golden retriever", QuerySource.WORDNET_LEMMA) in entries


def test_the_first_lemma_of_every_synset_is_a_query(wordnet: Any) -> None:
    entries = lemma_queries(wordnet, "synsets")
    texts = {entry.text for entry in entries}
    assert len(entries) == len(texts) == 87_379
    assert {"dog", "New York", "cock-a-doodle-doo"} & texts == {"dog", "New York", "cock-a-doodle-doo"}
    assert "domestic dog" not in texts
    assert {entry.source for entry in entries} == {QuerySource.WORDNET_SYNSET}


def test_synsets_know_their_lexicographer_file(wordnet: Any) -> None:
    names = ("dog.n.01", "run.v.01", "be.v.01", "happy.a.01", "quickly.r.01", "entity.n.01")
    assert [wordnet.synset(name).lexname() for name in names] == [
        "noun.animal",
        "verb.motion",
        "verb.stative",
        "adj.all",
        "adv.all",
        "noun.Tops",
    ]


def test_lexnames_number_45_files() -> None:
    lines = (resources.files("vocab") / "lexnames.txt").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == [f"{number:02d}" for number in range(45)]
    assert lines[44] == "44\tadj.ppl\t3"


def test_an_unknown_mode_is_refused(wordnet: Any) -> None:
    with pytest.raises(UserError, match="no WordNet mode 'words'; use synsets or lemmas"):
        lemma_queries(wordnet, "words")


def test_a_named_folder_is_taken(wordnet_folder: Path) -> None:
    assert find_wordnet(str(wordnet_folder)) == wordnet_folder


@pytest.mark.parametrize("name", ["corpora/wordnet/data.noun", "corpora/wordnet.zip"])
def test_nltk_s_own_copy_is_found(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "none"), str(tmp_path)])
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).touch()
    assert find_wordnet() == (tmp_path / name if name.endswith(".zip") else (tmp_path / name).parent)


def test_the_zip_of_nltk_s_downloader_is_opened(wordnet_folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "wordnet.zip", "w") as archive:
        for path in wordnet_folder.iterdir():
            archive.write(path, f"wordnet/{path.name}")
    assert open_wordnet(tmp_path / "wordnet.zip", tmp_path / "cache").synset("dog.n.01").offset() == 2084071


def test_no_wordnet_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"in {tmp_path}; apt install wordnet-base wordnet-sense-index, or "):
        find_wordnet(str(tmp_path))


def test_an_incomplete_wordnet_is_named(wordnet_folder: Path, tmp_path: Path) -> None:
    for name in ("data.noun", "data.verb", "data.adj", "data.adv"):
        (tmp_path / name).symlink_to(wordnet_folder / name)
    with pytest.raises(UserError, match=r"has no index\.noun; apt install"):
        open_wordnet(tmp_path, tmp_path / "cache")
