"""Which texts of an answer are secrets: they must never appear in the log of the task that asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

_SENSITIVE = re.compile(r"pass|secret|token|key|credential|private|auth", re.IGNORECASE)
_SHORTEST_UNNAMED = 8
"""Under a name that says nothing, shorter texts are options (``require``, ``utf-8``), not secrets."""
_ID_TOKEN = "/v1/id-token"  # noqa: S105 - a path
_MAY_REFER = ("/v1/connections/", "/v1/variables/")
"""What may hold references to secrets; the API names those that it looked up."""


def secrets_in(path: str, body: object) -> list[str]:
    """Return the texts of an answer that must never appear in the log."""
    if not isinstance(body, dict):
        return []
    if path == _ID_TOKEN:
        return _distinct(_texts(body.get("token"), is_sensitive=True))
    referred = list(_texts(body.get("secrets"), is_sensitive=True)) if path.startswith(_MAY_REFER) else []
    if path.startswith("/v1/connections/"):
        password = body.get("password")
        first = [password] if isinstance(password, str) else []
        return _distinct([*first, *_texts(body.get("extra"), is_sensitive=False), *referred])
    if path.startswith(("/v1/variables/", "/v1/state/")) and _SENSITIVE.search(unquote(path)):
        return _distinct([*_texts(body.get("value"), is_sensitive=True), *referred])
    return _distinct(referred)


def _texts(value: object, *, is_sensitive: bool) -> Iterator[str]:
    """Yield the texts inside a JSON value that are, or may well be, secrets."""
    if isinstance(value, str):
        if is_sensitive or len(value) >= _SHORTEST_UNNAMED:
            yield value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _texts(part, is_sensitive=is_sensitive or bool(_SENSITIVE.search(str(name))))
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part, is_sensitive=is_sensitive)


def _distinct(texts: Iterator[str] | list[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if text]
