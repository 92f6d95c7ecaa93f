import pytest
from yarl import URL

from wit_builder.links import canonical, charset_of, is_page, links_of, shard_of, site_of
from wit_builder.web import HttpResponse


def page(html: str, *headers: tuple[str, str]) -> HttpResponse:
    return HttpResponse("", "http://h/a/b", status=200, headers=headers, body=html.encode())


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("HTTP://Example.ORG:80", "http://example.org/"),
        ("http://h/a/./b/../c#x", "http://h/a/c"),
        ("http://user:secret@h/%7Ea?", "http://h/~a"),
        ("http://h:81/a?b=1&a=2", "http://h:81/a?b=1&a=2"),
    ],
)
def test_a_page_has_one_form(url: str, form: str) -> None:
    assert canonical(URL(url)) == form


def test_a_site_is_a_host_with_or_without_www() -> None:
    urls = ["http://h/", "https://h/", "http://www.h/", "http://h:81/", "http://x.h/"]
    assert [site_of(URL(url)) for url in urls] == ["h", "h", "h", "h:81", "x.h"]


@pytest.mark.parametrize(
    ("href", "target"),
    [
        ("c", "http://h/a/c"),
        ("/c", "http://h/c"),
        ("//i/c", "http://i/c"),
        (" c\n", "http://h/a/c"),
        ("?x=1", "http://h/a/b?x=1"),
        ("é", "http://h/a/%C3%A9"),
        ("mailto:a@b", "mailto:a@b"),
        ("http://[", None),
    ],
)
def test_links_are_resolved_or_left_out(href: str, target: str | None) -> None:
    found = [str(url) for url in links_of(page(f'<a href="{href}">x</a>')).targets]
    assert found == ([target] if target else [])


def test_the_base_of_the_page_counts() -> None:
    links = links_of(page('<base href="/z/"><a href="c">x</a>'))
    assert [str(url) for url in links.targets] == ["http://h/z/c"]


@pytest.mark.parametrize(
    ("html", "headers", "followed"),
    [
        ("<a href=c>x</a>", (), True),
        ("<a href=c rel='ugc nofollow'>x</a>", (), False),
        ("<meta name=ROBOTS content='index, NoFollow'><a href=c>x</a>", (), False),
        ("<meta name=robots content=none><a href=c>x</a>", (), False),
        ("<meta name=robots content='max-image-preview:none'><a href=c>x</a>", (), True),
        ("<a href=c>x</a>", (("X-Robots-Tag", "nofollow"),), False),
        ("<a href=c>x</a>", (("X-Robots-Tag", "wit-builder: nofollow"),), False),
        ("<a href=c>x</a>", (("X-Robots-Tag", "otherbot: nofollow"),), True),
    ],
)
def test_nofollow_is_obeyed(html: str, headers: tuple[tuple[str, str], ...], followed: bool) -> None:
    assert bool(links_of(page(html, *headers)).targets) is followed


@pytest.mark.parametrize(
    ("kind", "kept"),
    [("Text/HTML; charset=x", True), ("", True), ("image/png", False), ("application/json", False)],
)
def test_pages_are_html(kind: str, kept: bool) -> None:
    assert is_page(page("", ("Content-Type", kind))) is kept


@pytest.mark.parametrize(
    ("html", "home"),
    [
        ('<link rel="canonical" href="/c#x">', "http://h/c"),
        ('<base href="/z/"><link rel="x CANONICAL" href="c">', "http://h/z/c"),
        ('<link rel="canonical">', None),
        ('<link rel="canonical" href="http://[">', None),
        ('<link rel="stylesheet" href="/c">', None),
    ],
)
def test_a_page_may_say_under_which_address_it_is_known(html: str, home: str | None) -> None:
    found = links_of(page(html)).canonical
    assert (found and str(found.with_fragment(None))) == home


def test_a_link_that_stands_twice_is_given_once() -> None:
    assert len(links_of(page('<a href="c">x</a><a href="c#part">x</a>')).targets) == 1


@pytest.mark.parametrize(
    ("body", "header", "charset"),
    [
        ("<p>é".encode(), "text/html", "utf-8"),
        ("<p>é".encode("cp1252"), "text/html", "windows-1252"),
        (b"<p>", "text/html; charset=ISO-8859-15", "iso-8859-15"),
        (b"<meta charset='koi8-r'>", "text/html", "koi8-r"),
        ("<p>".encode("utf-16"), "text/html; charset=ascii", "utf-16le"),
        (b"\xef\xbb\xbf<p>", "", "utf-8"),
    ],
)
def test_the_charset_is_found_as_a_browser_finds_it(body: bytes, header: str, charset: str) -> None:
    assert charset_of(HttpResponse("", "", headers=(("Content-Type", header),), body=body)) == charset


def test_a_registrable_domain_has_one_shard() -> None:
    hosts = ["example.co.uk:80", "www.example.co.uk:443", "a.b.example.co.uk:8080"]
    assert len({shard_of(host, 50) for host in hosts}) == 1
    assert len({shard_of(f"site{n}.co.uk:80", 50) for n in range(200)}) > 40
    assert {shard_of(f"site{n}.example:80", 1) for n in range(20)} == {0}
