"""Which sockets are made, and what it is called when a connection fails."""

import socket
import zlib
from typing import Any

import aiohttp

from wit_builder.addresses import refused_address
from wit_builder.web import FetchError


class _PrivateAddressError(OSError):
    """Raised where a socket would be made for an address that is not public."""


def public_socket(info: tuple[Any, ...]) -> socket.socket:
    """Make the socket of a connection, unless its address is not public.

    Raises:
        OSError: it is not; `fault_of` knows it.
    """
    # The last word before the connection: names, literals and rebound names all come through here.
    family, kind, protocol, _, address = info
    if refused_address(address[0]):
        raise _PrivateAddressError("not a public address")
    return socket.socket(family, kind, protocol)


_FAULTS: tuple[tuple[type[BaseException], FetchError], ...] = (
    (TimeoutError, FetchError.TIMEOUT),
    (aiohttp.ClientConnectorDNSError, FetchError.DNS_FAILED),
    (aiohttp.ClientConnectorCertificateError, FetchError.TLS_FAILED),
    (aiohttp.ClientSSLError, FetchError.TLS_FAILED),
    (aiohttp.ClientConnectorError, FetchError.CONNECT_FAILED),
    (aiohttp.ServerDisconnectedError, FetchError.CONNECTION_RESET),
    (aiohttp.ClientOSError, FetchError.CONNECTION_RESET),
    (aiohttp.ClientPayloadError, FetchError.INCOMPLETE_BODY),
    (aiohttp.InvalidURL, FetchError.BAD_URL),
    (aiohttp.ClientError, FetchError.BAD_RESPONSE),
    (zlib.error, FetchError.BAD_RESPONSE),
    (ConnectionError, FetchError.CONNECTION_RESET),
    (OSError, FetchError.CONNECT_FAILED),
    (ValueError, FetchError.BAD_URL),
)
EXPECTED = tuple(kind for kind, _ in _FAULTS)
"""What may go wrong on the other side; anything else is a defect here."""


def fault_of(error: BaseException) -> FetchError:
    """Give the word for one of `EXPECTED`."""
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, _PrivateAddressError):
        return FetchError.PRIVATE_ADDRESS
    if isinstance(error, aiohttp.ClientPayloadError) and isinstance(error.__cause__, ConnectionError):
        return FetchError.CONNECTION_RESET
    return next(fault for kind, fault in _FAULTS if isinstance(error, kind))
