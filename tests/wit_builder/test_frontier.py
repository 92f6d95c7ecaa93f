from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wit_builder.frontier import Frontier
from wit_builder.hashing import hash_text
from wit_builder.outcomes import Outcome
from wit_builder.visits import Capture, KeptRobots, Page, Totals, Visit, WarcState, Wave

HERE, NEXT = Wave(0, 0), Wave(1, 0)


def page(name: str, wave: Wave = HERE, host: str = "h:80", shard: int | None = None) -> Page:
    return Page(f"http://{host}/{name}", host, wave, shard=shard)


def capture(offset: int, archive: str = "w") -> Capture:
    return Capture(archive, offset, "<urn:uuid:1>", "2026-01-01T00:00:00Z", "sha1:A")


@pytest.fixture
def frontier(tmp_path: Path) -> Frontier:
    return Frontier(tmp_path / "frontier.sqlite")


def test_a_page_is_visited_once_at_its_least_depth(frontier: Frontier) -> None:
    frontier.commit(found=[page("a", NEXT), page("a"), page("a", Wave(2, 0)), page("b", NEXT)])
    assert frontier.next_wave() == HERE
    assert [found.url for found in frontier.waiting(HERE, "h:80")] == ["http://h:80/a"]
    frontier.commit(Visit(page("a"), Outcome.PAGE, found=(page("a", NEXT),)))
    assert frontier.next_wave() == NEXT
    assert [found.url for found in frontier.waiting(NEXT, "h:80")] == ["http://h:80/b"]


def test_pages_come_in_the_order_of_their_hash_while_others_are_committed(frontier: Frontier) -> None:
    urls = [f"{n}" for n in range(250)]
    frontier.commit(found=map(page, urls))
    seen = []
    for found in frontier.waiting(HERE, "h:80"):
        seen.append(found.url)
        frontier.commit(Visit(found, Outcome.PAGE))
    assert seen == sorted((page(url).url for url in urls), key=hash_text)


def test_a_budget_takes_the_first_of_all_hosts(frontier: Frontier) -> None:
    all_pages = [page(f"{n}", host=f"h{n % 3}:80") for n in range(60)]
    frontier.commit(found=all_pages)
    last = frontier.last_rank(HERE, 20)
    taken = [found.url for host in frontier.hosts(HERE) for found in frontier.waiting(HERE, host, last)]
    assert sorted(taken) == sorted(sorted((found.url for found in all_pages), key=hash_text)[:20])
    assert frontier.last_rank(HERE, 61) == 2**63 - 1


def test_all_hosts_of_a_wave_are_listed(frontier: Frontier) -> None:
    names = [f"h{n:03d}:80" for n in range(250)]
    frontier.commit(found=[page("a", host=name) for name in names])
    assert list(frontier.hosts(HERE)) == names


def test_what_belongs_to_other_shards_is_kept_for_them(tmp_path: Path) -> None:
    first = Frontier(tmp_path / "f", 0)
    first.commit(found=[page("a"), page("b", NEXT, "i:80", shard=2), page("c", NEXT, "j:80", shard=1)])
    assert [found.shard for found in first.foreign_pages()] == [1, 2]
    assert first.totals() == {None: Totals(1, 0)}
    first.close()
    second = Frontier(tmp_path / "f", 1)
    assert list(second.foreign_pages()) == []
    second.commit(found=[page("b", NEXT, "i:80", shard=2), page("c", HERE, "j:80", shard=1)])
    assert [found.url for found in second.foreign_pages()] == ["http://j:80/c"]  # it is nearer now


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from(Outcome), st.integers(0, 9)), max_size=40))
def test_totals_are_those_of_the_pages(visits: list[tuple[int, Outcome, int]]) -> None:
    frontier = Frontier(Path(":memory:"))
    frontier.commit(found=[page(f"{n}") for n in range(21)])
    last = {}
    for number, word, size in visits:
        frontier.commit(Visit(page(f"{number}"), word, size=size))
        last[number] = (word, size)
    expected: dict[Outcome | None, Totals] = {}
    unvisited: list[tuple[Outcome | None, int]] = [(None, 0)] * (21 - len(last))
    for outcome, size in [*last.values(), *unvisited]:
        pages, size_so_far = expected.get(outcome, Totals(0, 0))
        expected[outcome] = Totals(pages + 1, size_so_far + size)
    assert frontier.totals() == expected
    frontier.close()


def test_a_canonical_address_is_not_visited_any_more(frontier: Frontier) -> None:
    frontier.commit(found=[page("a"), page("b")])
    frontier.commit(Visit(page("a"), Outcome.PAGE, canonical=page("b")))
    frontier.commit(Visit(page("c"), Outcome.PAGE, canonical=page("a")))
    assert frontier.outcome(page("b").url) is Outcome.DUPLICATE_PAGE
    assert frontier.outcome(page("a").url) is Outcome.PAGE
    assert frontier.next_wave() is None


def test_requests_are_counted_by_host(frontier: Frontier) -> None:
    frontier.commit(Visit(page("a"), Outcome.PAGE, asked_at=5.0))
    frontier.commit(Visit(page("b"), Outcome.HTTP_4XX, asked_at=7.5))
    frontier.commit(Visit(page("c"), Outcome.HOST_BUDGET))
    assert (frontier.asked("h:80"), frontier.asked("i:80"), frontier.asked_in_all()) == (
        (2, 7.5),
        (0, 0.0),
        2,
    )


def test_robots_txt_is_remembered(frontier: Frontier) -> None:
    kept = KeptRobots("http://h/robots.txt", 5.0, 200, None, b"x")
    frontier.commit(robots=kept)
    assert (frontier.robots(kept.url), frontier.robots("http://i/robots.txt")) == (kept, None)


def test_a_file_that_lost_its_end_sends_its_pages_to_be_visited_again(frontier: Frontier) -> None:
    frontier.commit(found=[page("a"), page("b"), page("c"), page("d")])
    for name, offset in (("a", 100), ("b", 200), ("c", 300)):
        frontier.commit(Visit(page(name), Outcome.PAGE, capture=capture(offset)))
    frontier.commit(Visit(page("d"), Outcome.PAGE, capture=capture(0, "other")))
    state = WarcState(0, 400, False)
    assert frontier.cut_back(state, "w", 400) == state
    assert frontier.cut_back(state, "w", 250) == WarcState(0, 200, False)
    assert frontier.warcs() == [WarcState(0, 200, False)]
    waiting = {found.url for found in frontier.waiting(HERE, "h:80")}
    assert waiting == {page("b").url, page("c").url}


def test_commits_outlive_a_process_that_never_closed(tmp_path: Path) -> None:
    first = Frontier(tmp_path / "f")
    first.commit(found=[page("a")])
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("f", "f-wal"):
        (copy / name).write_bytes((tmp_path / name).read_bytes())  # as a kill leaves them
    assert Frontier(copy / "f").next_wave() == HERE
