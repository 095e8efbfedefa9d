"""Where a webhook may go: the address is looked up once, judged, and connected to as it was judged.

A DAG's author chooses the address, and the service may reach what they can't: so private, local and reserved addresses
are refused, unless a setting allows them, and redirects are never followed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from urllib.parse import SplitResult, urlsplit


class RefusedTargetError(Exception):
    """Nothing is sent there, now or later."""


def checked_target(url: str, *, private_allowed: bool) -> SplitResult:
    """Return the parts of an address that may be told something.

    Raises:
        RefusedTargetError: saying why not; the address itself is not repeated, for it may hold a secret.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise RefusedTargetError("it is no address") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise RefusedTargetError("it is no https:// address")
    if parts.scheme == "http" and not private_allowed:
        raise RefusedTargetError("http:// would tell everybody on the way: use https://")
    return parts


def judged(addresses: list[str], *, private_allowed: bool) -> str:
    """Return the address to connect to: the first, if all of them are public.

    Raises:
        RefusedTargetError: if one of them is not, and that is not allowed.
    """
    for text in addresses:
        address = ipaddress.ip_address(text.partition("%")[0])
        inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None) or address
        if inner.is_multicast or inner.is_unspecified:
            raise RefusedTargetError("its name leads to an address that is nobody's")
        if not private_allowed and not (address.is_global and inner.is_global):
            raise RefusedTargetError(
                "its name leads to a private address; an admin can allow these (webhooks_private_addresses)"
            )
    return addresses[0]


async def looked_up(host: str, port: int) -> list[str]:
    """Return the addresses of a host.

    Raises:
        OSError: if its name leads nowhere at the moment.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
