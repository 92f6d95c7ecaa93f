import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wit_builder.robots import RobotsPolicy
from wit_builder.web import Decision, FetchError, HttpResponse, Refusal

AGENT = "wit-builder/0.1 (+https://example.org/googlebot)"


def answer(body: bytes = b"", status: int | None = 200, error: FetchError | None = None) -> HttpResponse:
    if error is None and status != 200:
        error = FetchError.HTTP_STATUS
    return HttpResponse("", "", status=status, body=body, error=error)


def decide(response: HttpResponse, url: str = "http://h/a/b?c=1") -> Decision:
    async def download(_: str) -> HttpResponse:
        return response

    return asyncio.run(RobotsPolicy(download, AGENT).allows(url))


@pytest.mark.parametrize(
    ("robots", "path", "allowed"),
    [
        ("", "/", True),
        ("User-agent: *\nDisallow:", "/", True),
        ("User-agent: *\nDisallow: /", "/", False),
        ("User-agent: *\nDisallow: /", "/robots.txt", True),
        ("user-AGENT: *\ndisALLOW: /a", "/a/b", False),
        ("User-agent: *\nDisallow: /a", "/b", True),
        ("User-agent: *\nDisallow: /a\nAllow: /a/b", "/a/b", True),
        ("User-agent: *\nDisallow: /*.jpg$", "/x.jpg", False),
        ("User-agent: *\nDisallow: /*.jpg$", "/x.jpg?y", True),
        ("User-agent: *\nDisallow: /a?c=1", "/a?c=1", False),
        ("User-agent: *\nDisallow: /%C3%A9", "/é", False),
        ("User-agent: *\nDisallow: /\n\nUser-agent: wit-builder\nDisallow: /no", "/yes", True),
        ("User-agent: *\nAllow: /\n\nUser-agent: WIT-Builder\nDisallow: /", "/", False),
        ("User-agent: googlebot\nDisallow: /", "/", True),  # our contact names it; we are not it
        ("User-agent: wit\nUser-agent: wit-builder\nDisallow: /", "/", False),
        ("\ufeffUser-agent: *\nDisallow: /", "/", False),
        ("<html>not a robots.txt</html>", "/", True),
    ],
)
def test_rules_are_read_as_the_standard_says(robots: str, path: str, allowed: bool) -> None:
    decision = decide(answer(robots.encode()), f"http://h{path}")
    assert decision == Decision(None if allowed else Refusal.ROBOTS_DISALLOWS)


@pytest.mark.parametrize(
    ("response", "ground"),
    [
        (answer(status=404), None),
        (answer(status=401), None),
        (answer(status=403), None),
        (answer(status=410), None),
        (answer(status=429), Refusal.ROBOTS_UNREACHABLE),
        (answer(status=500), Refusal.ROBOTS_UNREACHABLE),
        (answer(status=503), Refusal.ROBOTS_UNREACHABLE),
        (answer(status=None, error=FetchError.TIMEOUT), Refusal.ROBOTS_UNREACHABLE),
        (answer(status=None, error=FetchError.DNS_FAILED), Refusal.ROBOTS_UNREACHABLE),
        (answer(status=None, error=FetchError.PRIVATE_ADDRESS), Refusal.ROBOTS_UNREACHABLE),
        (answer(status=302, error=FetchError.TOO_MANY_REDIRECTS), Refusal.ROBOTS_UNREACHABLE),
        (answer(status=200, error=FetchError.INCOMPLETE_BODY), Refusal.ROBOTS_UNREACHABLE),
        (answer(status=200, error=FetchError.TOO_LARGE), Refusal.ROBOTS_UNREACHABLE),
    ],
)
def test_what_cannot_be_had_disallows_and_what_is_not_there_allows(
    response: HttpResponse, ground: str | None
) -> None:
    assert decide(response).ground == ground


def test_a_huge_file_counts_up_to_the_limit_in_whole_lines() -> None:
    head = b"User-agent: *\nDisallow: /a\n"
    filler = b"#" * (500 * 1024 - len(head) - len(b"\nDisallow: /b"))
    huge = head + filler + b"\nDisallow: /b/only-this\nDisallow: /c\n"
    for response in (answer(huge), answer(huge, error=FetchError.TOO_LARGE)):
        assert decide(response, "http://h/a").ground == Refusal.ROBOTS_DISALLOWS
        assert decide(response, "http://h/b").allowed  # not the half rule "/b"
        assert decide(response, "http://h/c").allowed


def test_the_crawl_delay_is_passed_on() -> None:
    assert decide(answer(b"User-agent: *\nCrawl-delay: 2.5")).crawl_delay == 2.5


def test_a_site_that_asks_for_too_long_a_delay_is_left_alone() -> None:
    assert decide(answer(b"User-agent: *\nCrawl-delay: 61")).ground == Refusal.ROBOTS_DELAY


@pytest.mark.parametrize("url", ["not a url", "ftp://h/", "data:image/png,"])
def test_a_url_that_is_not_on_the_web_is_left_to_fail(url: str) -> None:
    assert decide(answer(status=500), url) == Decision()


class Site:
    """Counts downloads; answers one after the other."""

    def __init__(self, *answers: HttpResponse) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def download(self, url: str) -> HttpResponse:
        self.asked.append(url)
        await asyncio.sleep(0)  # lets others ask meanwhile
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def run(site: Site, *steps: tuple[float, str], clock: list[float]) -> list[Decision]:
    async def all_steps() -> list[Decision]:
        policy = RobotsPolicy(site.download, AGENT, clock=lambda: clock[0])
        decisions = []
        for at, url in steps:
            clock[0] = at
            decisions.append(await policy.allows(url))
        return decisions

    return asyncio.run(all_steps())


def test_one_file_serves_a_scheme_host_and_port_for_a_day() -> None:
    site = Site(answer(b"User-agent: *\nDisallow: /a"))
    urls = ["http://h/a", "http://h:80/b", "https://h/a", "http://h:8080/a", "http://H/c"]
    run(site, *[(1.0, url) for url in urls], clock=[0.0])
    assert site.asked == ["http://h/robots.txt", "https://h/robots.txt", "http://h:8080/robots.txt"]


def test_it_is_asked_again_after_a_day() -> None:
    site = Site(answer(b""), answer(b"User-agent: *\nDisallow: /"))
    day = 24 * 3600
    first, second, third = run(
        site, (1.0, "http://h/"), (day - 1.0, "http://h/"), (day + 2.0, "http://h/"), clock=[0.0]
    )
    assert (first.allowed, second.allowed, third.allowed) == (True, True, False)


def test_a_fault_is_asked_again_sooner() -> None:
    site = Site(answer(status=500), answer(b""))
    first, second, third = run(
        site, (1.0, "http://h/"), (500.0, "http://h/"), (700.0, "http://h/"), clock=[0.0]
    )
    assert (first.allowed, second.allowed, third.allowed) == (False, False, True)


def test_many_askers_cause_one_download() -> None:
    site = Site(answer(b""))

    async def ask() -> None:
        policy = RobotsPolicy(site.download, AGENT)
        await asyncio.gather(*(policy.allows(f"http://h/{number}") for number in range(50)))

    asyncio.run(ask())
    assert len(site.asked) == 1


def test_a_cancelled_asker_leaves_the_others_their_answer() -> None:
    site = Site(answer(b""))

    async def ask() -> Decision:
        policy = RobotsPolicy(site.download, AGENT)
        first = asyncio.create_task(policy.allows("http://h/1"))
        second = asyncio.create_task(policy.allows("http://h/2"))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(ask()).allowed
    assert len(site.asked) == 2


@given(st.binary(max_size=2000), st.text(max_size=50))
def test_no_file_and_no_url_is_an_error(body: bytes, path: str) -> None:
    decide(answer(body), f"http://h/{path}")


@given(
    st.lists(
        st.sampled_from(
            ["User-agent: *", "User-agent: wit-builder", "Disallow: /*a*a*a$", "Allow: /", "\x00", ":"]
        )
    )
)
def test_no_rules_are_an_error(lines: list[str]) -> None:
    decide(answer("\n".join(lines).encode()), "http://h/" + "a" * 1000)
