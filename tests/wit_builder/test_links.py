import pytest
from yarl import URL

from wit_builder.links import canonical, is_page, links_of, site_of
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
