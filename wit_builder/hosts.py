"""The hosts of whole columns of URLs."""

import re
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wit_builder.addresses import host_key

_SERVER = r"^https?://(?:[^/?#@]*@)?(?P<host>\[[^\]/?#]*\]|[^/?#:]*)"


def host_of(url: str) -> str:
    """Name the host of an http(s) URL, without its port: small letters, IDNA, no dot at the end.

    Empty if there is none.
    """
    found = re.match(_SERVER, url)
    return _plain(found["host"]) if found else ""


@lru_cache(maxsize=65_536)
def _plain(server: str) -> str:
    return host_key(f"http://{server}/").rpartition(":")[0].rstrip(".")


def hosts_of(urls: pa.Array) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Name the hosts of n URLs.

    Args:
        urls: string array without nulls.

    Returns:
        Hosts, as `host_of` gives them, and the host of each URL as an index, int64 of shape (n,).
    """
    servers = pc.struct_field(pc.extract_regex(urls, _SERVER), "host")
    found = pc.fill_null(servers, "").dictionary_encode()
    return [_plain(server) for server in found.dictionary.to_pylist()], found.indices.to_numpy().astype(
        np.int64
    )
