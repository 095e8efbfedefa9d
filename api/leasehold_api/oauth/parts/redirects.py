"""Where an answer of the authorization endpoint may go (RFC 8252, RFC 9700): loopback for native applications.

Compared as text, never after decoding or normalising: what two parsers read differently is what gets codes stolen.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode

_LOOPBACK = re.compile(r"http://(?P<host>127\.0\.0\.1|\[::1\])(?::(?P<port>[0-9]{1,5}))?(?P<path>/[!-~]*)?", re.ASCII)
_LONGEST = 2000
_HIGHEST_PORT = 65535


def is_loopback(uri: str) -> bool:
    """Say whether this is an address on the asker's own machine, by number, with any port and path.

    ``localhost`` is not taken: what it resolves to is up to the machine (RFC 8252 section 8.3).
    """
    found = _LOOPBACK.fullmatch(uri) if len(uri) <= _LONGEST else None
    if found is None or any(character in uri for character in '#\\@"<>'):
        return False
    return found["port"] is None or 0 < int(found["port"]) <= _HIGHEST_PORT


def allows(registered: str, uri: str) -> bool:
    """Say whether a registered redirect URI allows ``uri``: equal, and on loopback any port (RFC 8252 section 7.3)."""
    if registered == uri:
        return True
    if not (is_loopback(registered) and is_loopback(uri)):
        return False
    ours, theirs = _LOOPBACK.fullmatch(registered), _LOOPBACK.fullmatch(uri)
    return ours is not None and theirs is not None and (ours["host"], ours["path"]) == (theirs["host"], theirs["path"])


def with_parameters(uri: str, parameters: dict[str, str]) -> str:
    """Return ``uri`` with parameters added to its query."""
    base, question, query = uri.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True) if question else []
    return f"{base}?{urlencode([*pairs, *parameters.items()])}"
