"""Which proxy requests to an address go through: as the settings or the environment (``HTTPS_PROXY``) say."""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_for(url: str, configured: str | None = None) -> str | None:
    """Return the proxy that requests to ``url`` go through, password and all; none when they go directly.

    One that is ``configured`` comes before the environment's; what ``NO_PROXY`` excludes goes directly in any case.
    """
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc.rpartition("@")[2]) or proxy_bypass(parts.hostname or ""):
        return None
    if configured is not None:
        return configured
    proxies = getproxies()
    found = proxies.get(parts.scheme) or proxies.get("all")
    return found if not found or "://" in found else f"http://{found}"
