from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.vocab.queries import SMALL, table
from vocab.compare import compare, describe_changes
from wit_builder.records import Query, QuerySource

QUERIES = st.dictionaries(
    st.sampled_from("abcdef"),
    st.tuples(
        st.lists(st.sampled_from(list(QuerySource)), unique=True, max_size=2).map(
            lambda some: tuple(sorted(some, key=list(QuerySource).index))
        ),
        st.none() | st.integers(1, 3),
        st.none() | st.sampled_from([0.5, 1.5]),
    ),
).map(
    lambda rows: [
        Query(at, text, sources, count, pmi) for at, (text, (sources, count, pmi)) in enumerate(rows.items())
    ]
)


@given(QUERIES, QUERIES)
def test_two_vocabularies_are_compared_query_by_query(old: list[Query], new: list[Query]) -> None:
    before, after = {query.query: query for query in old}, {query.query: query for query in new}
    difference = compare(table(old), table(new))
    assert [new[row].query for row in difference.added] == [text for text in after if text not in before]
    assert [old[row].query for row in difference.removed] == [text for text in before if text not in after]
    both = [text for text in after if text in before]
    changed = [text for text in both if replace(before[text], query_id=after[text].query_id) != after[text]]
    assert [old[row].query for row in difference.changed[0]] == changed
    assert [new[row].query for row in difference.changed[1]] == changed
    assert difference.same == len(both) - len(changed)


def test_changes_are_told_field_by_field() -> None:
    old = [SMALL[0], SMALL[2], SMALL[4]]
    new = [
        replace(SMALL[0], count=1300),
        replace(SMALL[2], sources=SMALL[2].sources[:2], pmi=7.25, pageviews=None),
        replace(SMALL[4], count=100),
    ]
    assert describe_changes(table(old), table(new)) == {
        "dog": {"count": (1200, 1300)},
        "new york": {
            "sources": (["bigram", "title", "wordnet_lemma"], ["bigram", "title"]),
            "pmi": (7.5, 7.25),
            "pageviews": (90, None),
        },
        "café": {"count": (None, 100)},
    }


def test_no_change_is_no_entry() -> None:
    assert describe_changes(table([]), table([])) == {}
