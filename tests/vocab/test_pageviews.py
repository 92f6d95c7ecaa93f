import pytest

from tests.vocab.ngrams import ngrams
from vocab.entry import Entry
from vocab.pageviews import canonical_title, count_views, plain_title, select_titles
from wit_builder.records import QuerySource

LINES = b"""en Albert_Einstein 60 0
en.m Albert_Einstein 12 0
en Caf%C3%A9 75 123
en caf\xc3\xa9 5 123
en Caf%C3%A9#Paris 1 0
de Hund 900 0
en.b Dog 900 0
english Dog 900 0
en Special:Search 900 0
en User_talk:Rex 900 0
en Main_Page 900 0
en Star_Trek:_Picard 71 0
en Alien_(film) 80 0
en Rare 3 0
en.wikipedia Rare 88 desktop 4 A1B3
en.wikipedia Rare 88 mobile-web 2 C2
en.wikipedia Rare desktop 1 A1
en.wikipedia Rare 88 elsewhere 900 A900
en.wikipedia Rare
en broken
en Broken many 0
en #only 7 0

""".split(b"\n")
VIEWS = {
    "Albert Einstein": 72,
    "Café": 81,
    "Star Trek: Picard": 71,
    "Alien (film)": 80,
    "Rare": 10,
}


def test_views_by_title_in_all_forms_of_the_files() -> None:
    assert count_views(LINES) == VIEWS


@pytest.mark.parametrize(
    ("title", "canonical"),
    [("new_York__City", "New York City"), ("Dog#Breeds", "Dog"), ("éclair", "Éclair"), ("", "")],
)
def test_a_title_has_one_spelling(title: str, canonical: str) -> None:
    assert canonical_title(title) == canonical


def test_names_of_articles_above_the_threshold_most_viewed_first() -> None:
    assert select_titles(ngrams(VIEWS), min_views=72) == [
        Entry("Café", QuerySource.TITLE, pageviews=81),
        Entry("Alien", QuerySource.TITLE, pageviews=80),
        Entry("Albert Einstein", QuerySource.TITLE, pageviews=72),
    ]


def test_redirects_to_such_an_article_are_aliases_of_it() -> None:
    aliases = [("einstein", "Albert_Einstein"), ("Scarce", "Rare"), ("Twice", "Einstein")]
    chosen = select_titles(ngrams({"Albert Einstein": 72, "Rare": 10}), 72, aliases)
    assert chosen == [
        Entry("Albert Einstein", QuerySource.TITLE, pageviews=72),
        Entry("Einstein", QuerySource.TITLE, pageviews=72),
    ]


def test_only_a_bracket_at_the_end_is_cut() -> None:
    assert [
        plain_title(title) for title in ("Mercury (planet)", "(What's) Up", "(film)", "F(x) (group)")
    ] == [
        "Mercury",
        "(What's) Up",
        "(film)",
        "F(x)",
    ]
