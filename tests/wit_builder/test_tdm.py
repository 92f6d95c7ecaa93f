import asyncio
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wit_builder.tdm import TdmPolicy, parse_rules, reserves
from wit_builder.web import Decision, FetchError, HttpResponse, Refusal


def answer(content: object, **changes: object) -> HttpResponse:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return HttpResponse("", "", 200, body=body, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rules", "path", "reserved"),
    [
        ([], "/a", False),
        ([("/", 1)], "/a.jpg", True),
        ([("/", 1), ("/free/", 0)], "/free/a.jpg", False),
        ([("/free/", 0), ("/", 1)], "/free/a.jpg", False),
        ([("/a", 0), ("/a", 1)], "/a", True),
        ([("/*.jpg$", 1)], "/x/a.jpg", True),
        ([("/*.jpg$", 1)], "/x/a.jpg?w=1", False),
        ([("/img/*/full", 1)], "/img/7/full.png", True),
        ([("/img$", 1)], "/img/", False),
        ([("", 1)], "/anything", True),
        ([("/other", 1)], "/a", False),
    ],
)
def test_the_longest_location_decides(rules: list[tuple[str, int]], path: str, reserved: bool) -> None:
    entries = [{"location": location, "tdm-reservation": word} for location, word in rules]
    assert reserves(parse_rules(answer(entries)), path) == reserved


@given(st.text("/a*", max_size=6), st.booleans(), st.text("/ab", max_size=8))
def test_patterns_mean_what_robots_txt_means(pattern: str, anchored: bool, path: str) -> None:
    expression = "".join(".*" if sign == "*" else re.escape(sign) for sign in pattern)
    expected = re.match(expression + ("$" if anchored else ""), path) is not None
    assert reserves(((pattern + "$" * anchored, True),), path) == expected


@pytest.mark.parametrize(
    "response",
    [
        answer(b"<html>"),
        answer(b"\xff\xfe"),
        answer({"location": "/", "tdm-reservation": 1}),
        answer([{"tdm-reservation": 1}, "x", {"location": 3}]),
        answer([{"location": "/", "tdm-reservation": 1}], error=FetchError.HTTP_STATUS),
        answer(b"[" * 100_000),
    ],
)
def test_a_file_that_is_none_reserves_nothing(response: HttpResponse) -> None:
    assert not reserves(parse_rules(response), "/a")


class _AllButSecret:
    async def allows(self, url: str) -> Decision:
        return Decision(Refusal.ROBOTS_DISALLOWS) if "secret" in url else Decision(None, 3.0)


def test_a_site_is_asked_once_and_not_where_robots_txt_says_no() -> None:
    asked = []

    async def download(url: str) -> HttpResponse:
        asked.append(url)
        await asyncio.sleep(0)
        return answer([{"location": "/mine", "tdm-reservation": 1}])

    async def run() -> list[Decision]:
        policy = TdmPolicy(download, _AllButSecret())
        assert (await policy.allows("http://h/secret")).ground is Refusal.ROBOTS_DISALLOWS
        assert asked == []
        urls = ["http://h/mine/a.jpg", "http://h/a.jpg", "https://h/a.jpg", "mailto:x", "nonsense"]
        return list(await asyncio.gather(*map(policy.allows, urls)))

    grounds = [decision.ground for decision in asyncio.run(run())]
    assert grounds == [Refusal.TDM_RESERVED, None, None, None, None]
    assert sorted(asked) == ["http://h/.well-known/tdmrep.json", "https://h/.well-known/tdmrep.json"]
