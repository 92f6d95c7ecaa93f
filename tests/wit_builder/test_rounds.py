import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.pairs import matched
from wit_builder import rounds
from wit_builder.rates import Rates
from wit_builder.rounds import Limit, Round

SITES = Rates()


def marks_of(urls: list[str], round_: Round, limit: int) -> dict[str, int]:
    firsts = dict(rounds.hashes_by_site(urls, round_, Limit(SITES, 600, limit)))
    return {host: int(hashes[limit - 1]) for host, hashes in firsts.items() if len(hashes) > limit}


@given(st.dictionaries(st.sampled_from("abc"), st.integers(1, 30)), st.integers(1, 12))
def test_rounds_take_every_url_once_and_at_most_the_limit_of_a_host(
    hosts: dict[str, int], limit: int
) -> None:
    urls = [f"http://{host}.org/{n}.jpg" for host, number in hosts.items() for n in range(number)]
    taken: list[str] = []
    after, rounds_run = None, 0
    while True:
        upto = marks_of([*urls, *urls], Round(7, after, {}), limit)
        round_ = Round(7, after, upto)
        now = [url for url in urls if round_.takes(SITES.group_of(url), url)]
        for host in hosts:
            assert sum(f"//{host}.org/" in url for url in now) <= limit
        taken += now
        rounds_run += 1
        after = upto
        if not upto:
            break
    assert sorted(taken) == sorted(urls)
    assert rounds_run == max([1, *(-(-number // limit) for number in hosts.values())])


def test_a_host_has_one_work_item_and_urls_left_for_later_have_none() -> None:
    urls = [f"http://h{n % 3}.org/{n}.jpg" for n in range(60)]
    batch = matched((url, [0]) for url in urls)
    everything = rounds.items_of(batch, Round(1, None, {}), 4)
    by_host = {SITES.group_of(url): item for url, item in zip(urls, everything.tolist(), strict=True)}
    assert everything.tolist() == [by_host[SITES.group_of(url)] for url in urls]
    assert set(by_host.values()) <= set(range(4))
    nothing = rounds.items_of(batch, Round(1, {}, {}), 4)
    assert set(nothing.tolist()) == {-1}


def test_a_site_is_asked_as_often_as_its_rate_and_the_limit_allow() -> None:
    rates = Rates(0.5, ("cdn.net=20",))
    assert [Limit(rates, 600, 20_000).of(site) for site in ("a.org", "cdn.net")] == [300, 12_000]
    assert [Limit(rates, 600, 1_000).of(site) for site in ("a.org", "cdn.net")] == [300, 1_000]


@given(st.integers(1, 3_000))
def test_a_site_s_urls_are_counted_from_its_smallest_hashes(number: int) -> None:
    urls = [f"http://a.org/{n}" for n in range(number)]
    ((_, hashes),) = rounds.hashes_by_site([*urls, *urls], Round(3, None, {}), Limit(SITES, 600, 400))
    told = rounds.estimate(hashes, 400)
    assert told == number if number <= 400 else abs(told - number) < 0.2 * number


@given(st.lists(st.integers(0, 40), max_size=30, unique=True), st.integers(0, 5))
def test_what_an_item_leaves_the_next_round_takes(numbers: list[int], done: int) -> None:
    urls = [f"http://h{n % 3}.org/{n}" for n in numbers]
    this = Round(5, None, {})
    first = [
        url
        for site in range(3)
        for url in sorted(
            (url for url in urls if f"h{site}." in url), key=lambda url: rounds.url_hash(url, 5)
        )[:done]
    ]
    later = Round(5, rounds.first_left(urls, set(first), this), {})
    taken = [url for url in urls if later.takes(SITES.group_of(url), url)]
    assert sorted(first + taken) == sorted(urls)


def test_smallest_are_distinct_and_sorted() -> None:
    assert rounds.smallest(np.array([5, 1, 5, 3], np.uint64), 2).tolist() == [1, 3]
