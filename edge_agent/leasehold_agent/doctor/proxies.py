"""Whether the proxy that the environment names can be one, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit
from urllib.request import getproxies

from leasehold_agent.link.proxy import proxy_for
from leasehold_protocol.findings import Finding, fine, problem

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


def masked(url: str) -> str:
    """Return an address without its user's password."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    user = parts.netloc.rpartition("@")[0].partition(":")[0]
    return parts._replace(netloc=f"{user}:***@{parts.netloc.rpartition('@')[2]}").geturl()


def endpoint(url: str) -> tuple[str, int]:
    """Return the host and port that a URL leads to.

    Raises:
        ValueError: it has none.
    """
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("it names no host")
    return parts.hostname, parts.port or _PORTS.get(parts.scheme, 443)


def check_proxy(url: str, configured: str | None) -> Iterator[Finding]:
    """Say which proxy is used, and why."""
    proxy = proxy_for(url, configured)
    if proxy is None:
        if configured is not None or any(name in ("http", "https", "all") for name in getproxies()):
            yield fine("proxy", f"none for {url}: there is one, and NO_PROXY or the scheme excludes this")
        else:
            yield fine("proxy", "none is set in the environment; the API is asked directly")
        return
    try:
        endpoint(proxy)
    except ValueError as error:
        cure = "Correct proxy in the settings, HTTPS_PROXY or ALL_PROXY."
        yield problem("proxy", f"{masked(proxy)} is no proxy's address: {error}", cure)
        return
    origin = "the environment" if configured is None else "the settings"
    yield fine("proxy", f"{masked(proxy)}, from {origin}, is used for {url}")
