import pyarrow as pa
import pytest

from wit_builder.hosts import host_of, hosts_of

SPEC = {
    "http://a.org/b.jpg": "a.org",
    "https://A.org:8443/b.jpg": "a.org",
    "https://me:secret@a.org./b": "a.org",
    "https://a.org?x=@b.org": "a.org",
    "https://a.org#@b.org": "a.org",
    "https://bücher.example/b": "xn--bcher-kva.example",
    "http://[::1]:80/b": "::1",
    "http://127.0.0.1:8080": "127.0.0.1",
    "http:///b": "",
    "ftp://a.org/": "",
    "": "",
}


@pytest.mark.parametrize("url", SPEC)
def test_host_of(url: str) -> None:
    assert host_of(url) == SPEC[url]


def test_a_column_has_the_same_hosts() -> None:
    urls = [*SPEC, *SPEC]
    hosts, indices = hosts_of(pa.array(urls, pa.string()))
    assert [hosts[index] for index in indices] == [SPEC[url] for url in urls]
    assert hosts_of(pa.array([], pa.string()))[0] == []
