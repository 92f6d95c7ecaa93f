"""Do host names resolve at all? Asked before a work item, so that a broken DNS does not fail every URL."""

import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from wit_builder.addresses import host_key, is_local_host, refused_address
from wit_builder.errors import UserError

_SAMPLE = 20
_LEAST = 3
"""Fewer names than this may well all be dead."""
_URLS = 2_000
"""URLs looked through for names."""


def require_names(urls: Iterable[str]) -> None:
    """Look some of the hosts up.

    Args:
        urls: what will be asked for; hosts on this machine and addresses need no look-up.

    Raises:
        UserError: there are three names or more, and of twenty of them none resolves.
    """
    hosts: dict[str, None] = {}
    for url in islice(urls, _URLS):
        host = host_key(url).rpartition(":")[0]
        if host and not is_local_host(url) and refused_address(host) == "not an IP address":
            hosts[host] = None
    names = list(hosts)[:_SAMPLE]
    if len(names) < _LEAST:
        return
    with ThreadPoolExecutor(_SAMPLE) as threads:
        if not any(threads.map(_resolves, names)):
            raise UserError(
                f"none of {len(names)} host names resolves ({', '.join(names[:3])} ...): "
                "mend this machine's DNS (/etc/resolv.conf) and run again"
            )


def _resolves(name: str) -> bool:
    try:
        return bool(socket.getaddrinfo(name, None))
    except (OSError, UnicodeError):
        return False
