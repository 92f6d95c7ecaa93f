"""Who is asked how often: a rate per registrable domain, other rates for content networks.

A site's many host names are one owner's, so they share one rate, whatever the port. What is
registrable says the public suffix list, with its private part: each user of a host of
home pages is an owner. A rule such as "cdn.example.com=20" makes one group, with a
rate of its own, of that name and all below it.
"""

from dataclasses import dataclass
from functools import cache, lru_cache

from publicsuffixlist import PublicSuffixList

from wit_builder.addresses import host_key, refused_address
from wit_builder.errors import UserError

UNLIMITED = 1_000.0
"""Requests per second reckoned with for a host without a limit."""


@dataclass(frozen=True)
class Rates:
    """Groups of hosts and the requests per second of each.

    Args:
        default: requests per second of a registrable domain; 0: no limit.
        rules: "suffix=rate", the longest that fits counts.

    Raises:
        UserError: a rule cannot be read.
    """

    default: float = 1.0
    rules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for rule in self.rules:
            _parse(rule)

    def group_of(self, url: str) -> str:
        """Name the group whose rate a URL falls under; empty if the URL cannot be read."""
        return _group(host_key(url), self.rules)

    def rate_of(self, group: str) -> float:
        """Give a group's requests per second; 0: no limit."""
        return dict(map(_parse, self.rules)).get(group, self.default)

    def groups(self) -> list[str]:
        """Name the groups that rules make."""
        return [name for name, _ in map(_parse, self.rules)]

    def urls_in(self, group: str, seconds: float) -> int:
        """Count the requests that a group's rate allows in a time, at least one."""
        return max(1, int((self.rate_of(group) or UNLIMITED) * seconds))


@lru_cache(maxsize=1_024)
def _parse(rule: str) -> tuple[str, float]:
    suffix, equals, rate = rule.rpartition("=")
    try:
        requests_per_second = float(rate)
    except ValueError:
        requests_per_second = -1.0
    name = suffix.strip().strip(".").lower()
    if not equals or not name or not 0 <= requests_per_second < float("inf"):
        raise UserError(f"rate rule {rule!r} cannot be read; write a host name and its rate: cdn.example=20")
    return name, requests_per_second


@lru_cache(maxsize=65_536)
def _group(key: str, rules: tuple[str, ...]) -> str:
    host = key.rpartition(":")[0].rstrip(".")
    fitting = [name for name, _ in map(_parse, rules) if host == name or host.endswith(f".{name}")]
    if fitting:
        return max(fitting, key=len)
    if refused_address(host) != "not an IP address" or host.startswith("["):
        return key  # an address is one server with its port
    return _suffixes().privatesuffix(host) or key


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()
