from vocab.entry import Entry
from vocab.pageviews import count_views, plain_title, popular_titles
from wit_builder.records import QuerySource

LINES = [
    "en Albert_Einstein 60 0\n",
    "en.m Albert_Einstein 12 0\n",
    "en Caf%C3%A9 75 123\n",
    "de Hund 900 0\n",
    "en.b Dog 900 0\n",
    "en Special:Search 900 0\n",
    "en User_talk:Rex 900 0\n",
    "en Main_Page 900 0\n",
    "en Star_Trek:_Picard 71 0\n",
    "en Alien_(film) 80 0\n",
    "en Rare 3 0\n",
    "en broken\n",
    "en Broken many 0\n",
    "\n",
]


def test_views_by_title_of_the_desktop_and_mobile_site() -> None:
    assert count_views(LINES) == {
        "Albert Einstein": 72,
        "Café": 75,
        "Star Trek: Picard": 71,
        "Alien (film)": 80,
        "Rare": 3,
    }


def test_names_of_articles_above_the_threshold_most_viewed_first() -> None:
    assert popular_titles(count_views(LINES), min_views=72) == [
        Entry("Alien", QuerySource.TITLE, pageviews=80),
        Entry("Café", QuerySource.TITLE, pageviews=75),
        Entry("Albert Einstein", QuerySource.TITLE, pageviews=72),
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
