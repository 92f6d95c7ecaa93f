import pytest
from hypothesis import given
from hypothesis import strategies as st

from wit_builder.urls import Base

# Cases of the WHATWG URL standard: base, address, result (None: failure).
CASES = [
    ("http://site/a/b.html", "dog.jpg", "http://site/a/dog.jpg"),
    ("http://site/a/b.html", "/dog.jpg#part", "http://site/dog.jpg"),
    ("http://site/a/b.html", "//other/dog.jpg", "http://other/dog.jpg"),
    ("https://site/a/b.html", "//other/dog.jpg", "https://other/dog.jpg"),
    ("http://site/a/b.html", "../x/./dog.jpg", "http://site/x/dog.jpg"),
    ("http://site/a/b.html", "../../../../dog.jpg", "http://site/dog.jpg"),
    ("http://site/a/b.html", "%2e%2E/dog.jpg", "http://site/dog.jpg"),
    ("http://site/a/b.html", "?q=1", "http://site/a/b.html?q=1"),
    ("http://site/a/b.html?x=1", "#top", "http://site/a/b.html?x=1"),
    ("http://site/a/b.html?x=1", "", "http://site/a/b.html?x=1"),
    ("http://site/a/b.html", " dog one.jpg ", "http://site/a/dog%20one.jpg"),
    ("http://site/a/b.html", "do\ng\t.jp\rg", "http://site/a/dog.jpg"),
    ("http://site/a/b.html", "\0\x1f dog.jpg", "http://site/a/dog.jpg"),
    ("http://site/a/b.html", "hünd.jpg?ä='", "http://site/a/h%C3%BCnd.jpg?%C3%A4=%27"),
    ("http://site/a/b.html", "%zz%41.jpg", "http://site/a/%zz%41.jpg"),
    ("http://site/a/b.html", 'a"<>`{}|.jpg', "http://site/a/a%22%3C%3E%60%7B%7D|.jpg"),
    ("http://site/a/b.html", "HTTP://OTHER:80/Dog.jpg?q=1", "http://other/Dog.jpg?q=1"),
    ("http://site/a/b.html", "https://other:443/", "https://other/"),
    ("http://site/a/b.html", "https://other:80/", "https://other:80/"),
    ("http://site/a/b.html", "http:dog.jpg", "http://site/a/dog.jpg"),
    ("http://site/a/b.html", "http:/dog.jpg", "http://site/dog.jpg"),
    ("http://site/a/b.html", "https:dog.jpg", "https://dog.jpg/"),
    ("http://site/a/b.html", "http:///other/dog.jpg", "http://other/dog.jpg"),
    ("http://site/a/b.html", "\\\\other\\x\\dog.jpg", "http://other/x/dog.jpg"),
    ("http://site/a/b.html", "x\\dog.jpg", "http://site/a/x/dog.jpg"),
    ("http://site/a/b.html", "http://user:pass@other/", "http://user:pass@other/"),
    ("http://site/a/b.html", "http://münchen.de/ä", "http://xn--mnchen-3ya.de/%C3%A4"),
    ("http://site/a/b.html", "http://faß.de/", "http://xn--fa-hia.de/"),
    ("http://site/a/b.html", "http://ＧＯ.com/", "http://go.com/"),
    ("http://site/a/b.html", "http://0x7f.1/", "http://127.0.0.1/"),
    ("http://site/a/b.html", "http://2130706433/", "http://127.0.0.1/"),
    ("http://site/a/b.html", "http://192.168.0.257/", None),
    ("http://site/a/b.html", "http://[2001:DB8::0:1]/", "http://[2001:db8::1]/"),
    ("http://site/a/b.html", "http://[broken/dog.jpg", None),
    ("http://site/a/b.html", "http://a b/", None),
    ("http://site/a/b.html", "http://a%00b/", None),
    ("http://site/a/b.html", "http://xn--a/", None),
    ("http://site/a/b.html", "http://other:99999/", None),
    ("http://site/a/b.html", "http://other:port/", None),
    ("http://site/a/b.html", "http://", None),
    ("http://site/a/b.html", "http://a%41b.com/", "http://aab.com/"),
    ("http://site/a/b.html", "1a:dog.jpg", "http://site/a/1a:dog.jpg"),
    ("http://site/a/b.html", "javascript:void(0)", "javascript:void(0)"),
    ("http://site/a/b.html", "data:image/gif;base64,AA", "data:image/gif;base64,AA"),
    ("http://site/a/b.html", "blob:http://site/x", "blob:http://site/x"),
    ("http://site/a/b.html", "\ud800.jpg", "http://site/a/%EF%BF%BD.jpg"),
    ("no address", "dog.jpg", None),
    ("no address", "http://other/dog.jpg", "http://other/dog.jpg"),
]


@pytest.mark.parametrize(("base", "address", "url"), CASES)
def test_addresses_are_resolved_as_the_standard_says(base: str, address: str, url: str | None) -> None:
    assert Base(base).resolve(address) == url


@pytest.mark.parametrize(
    ("declared", "url"),
    [
        ("/pictures/", "http://site/pictures/dog.jpg"),
        ("//other/x/y", "http://other/x/dog.jpg"),
        ("https://other", "https://other/dog.jpg"),
        ("javascript:alert(1)", "http://site/a/dog.jpg"),
        ("data:text/html,x", "http://site/a/dog.jpg"),
        ("http://[broken", "http://site/a/dog.jpg"),
    ],
)
def test_a_declared_base_holds_if_it_is_of_the_web(declared: str, url: str) -> None:
    assert Base("http://site/a/b.html", declared).resolve("dog.jpg") == url


@given(st.text())
def test_a_resolved_address_stays_as_it_is(address: str) -> None:
    url = Base("http://site/a/b.html").resolve(address)
    assert url is None or Base("http://elsewhere/").resolve(url) == url
