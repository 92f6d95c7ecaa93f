from pathlib import Path
from typing import Any

import pytest

from tests.vocab import making as built
from tests.vocab.ngrams import ngrams
from tests.vocab.queries import SMALL
from vocab.explain import why_in, why_not
from vocab.making import Making
from vocab.ontology import Synset
from wit_builder import manifest
from wit_builder.errors import UserError
from wit_builder.parts import PartSummary, part_path, write_table
from wit_builder.records import Query

FRANK = Synset("frank.n.02", "noun", "a smooth-textured sausage", ("frank", "frankfurter", "hot dog"))


def reasons(folder: str, key: str, *synsets: Synset) -> dict[str, str]:
    return why_not(key, Making.open(folder), synsets)


@pytest.mark.parametrize(
    ("key", "source", "reason"),
    [
        ("1994", "unigram", "has no letter (--numbers adds 0 to 99)"),
        ("zebra", "unigram", "occurs fewer than 10 times; --min-count is 100"),
        ("rare", "unigram", "occurs 40 times; --min-count is 100"),
        ("dog", "unigram", "occurs 1,200 times, but was cut with 30 others; --max-queries is 5,000"),
        ("hot zebra", "bigram", "its word 'zebra' occurs fewer than 10 times; --min-count is 100"),
        ("rare dog", "bigram", "its word 'rare' occurs 40 times; --min-count is 100"),
        ("dog 1994", "bigram", "its word '1994' has no letter (--numbers adds 0 to 99)"),
        ("day dog", "bigram", "occurs fewer than 20 times; --min-bigram-count is 20"),
        ("dog day", "bigram", "occurs 50 times, PMI 2.06 bits; --min-pmi is 3.0"),
        (
            "hot day",
            "bigram",
            "occurs 100 times, PMI 3.32 bits, the lowest kept is 4.00; --max-bigrams is 1,000",
        ),
        (
            "hot dog",
            "bigram",
            "occurs 300 times, PMI 7.97 bits, but was cut with 30 others; --max-queries is 5,000",
        ),
        ("a hot dog", "bigram", "has 3 words, not two: only a title or WordNet could give it"),
        ("zebra", "title", "viewed fewer than 7 times; --min-pageviews is 70"),
        ("quiet place", "title", "viewed 30 times; --min-pageviews is 70"),
        ("alien", "title", "viewed 300 times, but was cut with 30 others; --max-queries is 5,000"),
        ("zebra", "wordnet", "WordNet does not have it"),
    ],
)
def test_a_missed_threshold_is_named(key: str, source: str, reason: str, tmp_path: Path) -> None:
    assert reasons(built.write(tmp_path), key)[source] == reason


@pytest.mark.parametrize(
    ("options", "key", "source", "reason"),
    [
        (
            {"min_pmi": None},
            "dog day",
            "bigram",
            "occurs 50 times, PMI 2.06 bits, the lowest kept is 4.00",
        ),
        ({"max_bigrams": 0}, "hot dog", "bigram", "no bigram was taken: --max-bigrams is 0"),
        ({"wordnet": "none"}, "zebra", "wordnet", "WordNet was left out: --wordnet is none"),
        (
            {"wordnet": "synsets"},
            "hot dog",
            "wordnet",
            "WordNet has it only as another word for 'frank'",
        ),
        (
            {"wordnet": "lemmas"},
            "hot dog",
            "wordnet",
            "WordNet has it, but was cut with 30 others",
        ),
        (
            {"wordnet": "synsets"},
            "frank",
            "wordnet",
            "WordNet has it, but was cut with 30 others",
        ),
    ],
)
def test_options_of_the_build_count(
    options: dict[str, Any], key: str, source: str, reason: str, tmp_path: Path
) -> None:
    assert reasons(built.write(tmp_path, **options), key, FRANK)[source].startswith(reason)


def test_without_page_views_there_are_no_titles(tmp_path: Path) -> None:
    folder = built.write(tmp_path, views={})
    assert reasons(folder, "alien")["title"] == "no page views were counted: --pageviews"


def test_the_sources_of_a_query_are_told() -> None:
    assert why_in(SMALL[2], built.OPTIONS) == {
        "bigram": "occurs 120 times, PMI 7.50 bits; --max-bigrams is 1,000",
        "title": "viewed 90 times; --min-pageviews is 70",
        "wordnet_lemma": "a word of WordNet",
    }
    assert why_in(SMALL[0], {})["unigram"] == "occurs 1,200 times"
    assert why_in(Query(0, "7", SMALL[1].sources), built.OPTIONS) == {
        "unigram": "one of the numbers 0 to 99: --numbers"
    }
    assert why_in(Query(0, "dog", SMALL[1].sources), {}) == {"unigram": "occurs an unknown number of times"}


def test_an_imported_query_was_in_the_list(tmp_path: Path) -> None:
    assert why_in(Query(0, "dog", ()), {}) == {"imported": "in the list that was imported"}
    assert why_not("cat", Making.open(str(tmp_path)), []) == {"imported": "not in the list that was imported"}
    manifest.begin(str(tmp_path), "vocab", {}, {})
    manifest.finish(str(tmp_path), PartSummary(1, 1), [], {"imported": True})
    assert Making.open(str(tmp_path)) is None


@pytest.mark.parametrize("text", sorted(built.FREQUENT))
def test_every_count_is_found_in_its_part(text: str, tmp_path: Path) -> None:
    making = Making.open(built.write(tmp_path, parts=4))
    assert making is not None
    assert making.occurrences(text) == built.FREQUENT[text]


def test_counts_are_found_in_a_part_of_many_row_groups(tmp_path: Path) -> None:
    path = built.write(tmp_path)
    many = {f"w{number:06d}": number + 1 for number in range(40_000)}
    for old in (tmp_path / "frequent").iterdir():
        old.unlink()
    write_table(part_path(f"{path}/frequent", 0, 1), ngrams(many), PartSummary(40_000, 40_000))
    making = Making.open(path)
    assert making is not None
    wanted = ["w000000", "w016383", "w016384", "w039999", "a", "w0163835", "x"]
    assert [making.occurrences(text) for text in wanted] == [1, 16384, 16385, 40000, None, None, None]


def test_an_old_or_unfinished_manifest_is_named(tmp_path: Path) -> None:
    manifest.begin(str(tmp_path), "vocab", {}, {})
    with pytest.raises(UserError, match=r"manifest\.json does not tell words; run `wit vocab build` again"):
        Making.open(str(tmp_path))


def test_missing_or_damaged_counts_are_named(tmp_path: Path) -> None:
    folder = built.write(tmp_path, parts=1)
    part = tmp_path / "frequent/part-00000-of-00001.parquet"
    part.write_bytes(part.read_bytes()[:-40])
    with pytest.raises(UserError, match=r"frequent/part-00000-of-00001\.parquet cannot be read"):
        reasons(folder, "dog")
    part.unlink()
    with pytest.raises(UserError, match=r"frequent has no part-\*\.parquet"):
        reasons(folder, "dog")
