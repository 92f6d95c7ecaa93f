import pytest

from wit_builder.errors import UserError
from wit_builder.rates import Rates


@pytest.mark.parametrize(
    ("url", "group"),
    [
        ("http://images.example.co.uk/a.jpg", "example.co.uk"),
        ("https://example.co.uk:8443/", "example.co.uk"),
        ("http://alice.github.io/", "alice.github.io"),
        ("http://bob.github.io/", "bob.github.io"),
        ("http://EXAMPLE.org./", "example.org"),
        ("http://m.bücher.example/", "xn--bcher-kva.example"),
        ("http://127.0.0.1:8801/a", "127.0.0.1:8801"),
        ("http://[2001:db8::1]/", "2001:db8::1:80"),
        ("http://localhost:8000/", "localhost:8000"),
        ("http://com/", "com:80"),
        ("nonsense", ""),
        ("http://a.cdn.net/x", "cdn.net"),
        ("http://img.big.cdn.net/x", "big.cdn.net"),
        ("http://notcdn.net/x", "notcdn.net"),
    ],
)
def test_hosts_of_one_owner_are_one_group(url: str, group: str) -> None:
    assert Rates(1.0, ("cdn.net=5", "Big.cdn.net.=20")).group_of(url) == group


def test_a_rule_gives_its_group_another_rate() -> None:
    rates = Rates(0.5, ("cdn.net=20", "free.net=0"))
    assert [rates.rate_of(group) for group in ("cdn.net", "free.net", "other.org")] == [20, 0, 0.5]
    assert [rates.urls_in(group, 600) for group in ("cdn.net", "free.net", "other.org")] == [
        12_000,
        600_000,
        300,
    ]
    assert rates.urls_in("other.org", 0.1) == 1


@pytest.mark.parametrize("rule", ["cdn.net", "=3", "cdn.net=fast", "cdn.net=-1", "cdn.net=inf"])
def test_a_rule_that_cannot_be_read_is_named(rule: str) -> None:
    with pytest.raises(UserError, match="rate rule .* cannot be read"):
        Rates(1.0, (rule,))
