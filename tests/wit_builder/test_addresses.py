import pytest

from wit_builder.addresses import agent_with_contact, host_key, is_local_host, refused_address
from wit_builder.errors import UserError


@pytest.mark.parametrize(
    ("ip", "ground"),
    [
        ("8.8.8.8", None),
        ("2001:4860:4860::8888", None),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("::1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("100.64.0.1", "shared"),
        ("100.127.255.255", "shared"),
        ("100.128.0.1", None),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("172.32.0.1", None),
        ("192.168.1.1", "private"),
        ("192.0.2.1", "private"),
        ("fc00::1", "private"),
        ("fec0::1", "private"),
        ("240.0.0.1", "private"),
        ("255.255.255.255", "private"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:8.8.8.8", None),
        ("::127.0.0.1", "loopback"),
        ("2002:7f00:1::", "loopback"),
        ("2002:0808:0808::", None),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b::8.8.8.8", None),
        ("64:ff9b:1::1", "private"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "private"),
        ("example.org", "not an IP address"),
        ("127.1", "not an IP address"),
        ("", "not an IP address"),
    ],
)
def test_only_public_addresses_are_contacted(ip: str, ground: str | None) -> None:
    assert refused_address(ip) == ground


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://Example.org/a", "example.org:80"),
        ("https://example.org", "example.org:443"),
        ("http://example.org:8080/", "example.org:8080"),
        ("http://user:secret@example.org/", "example.org:80"),
        ("http://é.example/", "xn--9ca.example:80"),
        ("http://[::1]:81/", "::1:81"),
        ("not a url", ""),
        ("http://h:99999/", ""),
        ("http://[", ""),
        ("", ""),
    ],
)
def test_a_host_key_names_the_server(url: str, key: str) -> None:
    assert host_key(url) == key


def test_local_hosts_are_known_by_name_and_address() -> None:
    local = ["http://localhost/", "http://a.localhost:1/", "http://127.0.0.1:8000/", "http://[::1]/"]
    assert all(is_local_host(url) for url in local)
    assert not any(is_local_host(url) for url in ["http://notlocalhost/", "http://10.0.0.1/", "x"])


def test_the_agent_says_who_runs_it() -> None:
    assert agent_with_contact("me@example.org") == "wit-builder/0.1 (+me@example.org)"
    assert agent_with_contact("", ["http://127.0.0.1/"]) == "wit-builder/0.1"


@pytest.mark.parametrize("contact", ["me", "a@b\r\nX: y", "a@b (c)", "é@b"])
def test_a_contact_that_is_none_is_refused(contact: str) -> None:
    with pytest.raises(UserError, match="not an e-mail or web address"):
        agent_with_contact(contact)


def test_other_peoples_sites_need_a_contact() -> None:
    with pytest.raises(UserError, match=r"https://example\.org/ is not on this machine: give --contact"):
        agent_with_contact("", ["http://localhost/", "https://example.org/"])
