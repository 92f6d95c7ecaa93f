import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.pairs import matched
from wit_builder import rounds
from wit_builder.rounds import Round


def marks_of(urls: list[str], round_: Round, limit: int) -> dict[str, int]:
    firsts = dict(rounds.hashes_by_host(urls, round_, limit))
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
        now = [url for url in urls if round_.takes(rounds.host_of(url), url)]
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
    by_host = {rounds.host_of(url): item for url, item in zip(urls, everything.tolist(), strict=True)}
    assert everything.tolist() == [by_host[rounds.host_of(url)] for url in urls]
    assert set(by_host.values()) <= set(range(4))
    nothing = rounds.items_of(batch, Round(1, {}, {}), 4)
    assert set(nothing.tolist()) == {-1}


def test_ports_are_hosts_of_their_own() -> None:
    assert rounds.host_of("http://127.0.0.1:8801/a") != rounds.host_of("http://127.0.0.1:8802/a")
    assert rounds.host_of("http://A.org/") == rounds.host_of("http://a.org:80/x") == "a.org:80"


def test_smallest_are_distinct_and_sorted() -> None:
    assert rounds.smallest(np.array([5, 1, 5, 3], np.uint64), 2).tolist() == [1, 3]
