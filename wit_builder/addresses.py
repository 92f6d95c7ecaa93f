"""Addresses: which ones are never contacted, and who is asked how often.

Pure: nothing here opens a socket or looks a name up.
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from yarl import URL

from wit_builder.errors import UserError

AGENT_TOKEN = "wit-builder"
"""The product token that robots.txt and X-Robots-Tag address us by."""

_VERSION = "0.1"
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_SHARED = ipaddress.ip_network("100.64.0.0/10")  # carrier-grade NAT, RFC 6598
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052
_NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")  # RFC 8215
_IPV4_COMPATIBLE = ipaddress.ip_network("::/96")  # RFC 4291 2.5.5.1, deprecated


def refused_address(ip: str) -> str | None:
    """Tell why an address is never contacted; None if it is a public one.

    An IPv6 address that carries an IPv4 address (mapped, compatible, 6to4,
    NAT64) is judged by the IPv4 address.

    Args:
        ip: an address in text form; an IPv6 one may have a scope ("fe80::1%eth0").
    """
    try:
        address: _Address = ipaddress.ip_address(ip)
    except ValueError:
        return "not an IP address"
    if isinstance(address, ipaddress.IPv6Address):
        address = _embedded(address) or address
    grounds = {
        "unspecified": address.is_unspecified,
        "loopback": address.is_loopback,
        "link-local": address.is_link_local,
        "multicast": address.is_multicast,
        "shared": address in _SHARED,
        "private": address.is_private or address in _NAT64_LOCAL or getattr(address, "is_site_local", False),
        "reserved": address.is_reserved or not address.is_global,
    }
    return next((ground for ground, holds in grounds.items() if holds), None)


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64 or (address in _IPV4_COMPATIBLE and int(address) > 1):  # not :: and ::1
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


@lru_cache(maxsize=4_096)
def host_key(url: str) -> str:
    """Name the server that a URL asks: "host:port", lower case, IDNA-encoded.

    Empty if the URL has no host or cannot be read.
    """
    try:
        parts = URL(url)
        return f"{parts.raw_host.lower()}:{parts.port}" if parts.raw_host else ""
    except ValueError:
        return ""


def is_local_host(url: str) -> bool:
    """Tell whether a URL names this machine: localhost or a loopback address."""
    host = host_key(url).rpartition(":")[0].rstrip(".")
    return f".{host}".endswith(".localhost") or refused_address(host) == "loopback"


def agent_with_contact(contact: str, urls: Iterable[str] = ()) -> str:
    """Compose the honest User-Agent, with a way to reach whoever runs it.

    Args:
        contact: an e-mail address, or the http(s) address of a page about the crawl.
            It may be empty if every URL is on this machine.
        urls: what will be asked.

    Raises:
        UserError: a site of others would be asked without a contact, or the contact is not one.
    """
    if not contact:
        other = next((url for url in urls if not is_local_host(url)), None)
        if other is not None:
            raise UserError(f"{other} is not on this machine: give --contact (an e-mail or web address)")
        return f"{AGENT_TOKEN}/{_VERSION}"
    reachable = "@" in contact or contact.startswith(("http://", "https://"))
    if not reachable or not contact.isascii() or not contact.isprintable() or set(contact) & set(" ()"):
        raise UserError(f"contact {contact!r} is not an e-mail or web address; give one site owners can use")
    return f"{AGENT_TOKEN}/{_VERSION} (+{contact})"
