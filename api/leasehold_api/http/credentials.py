"""The one ``Authorization`` header of a request."""

from __future__ import annotations

from fastapi import Request


def credential(request: Request) -> tuple[str, str]:
    """Return (scheme in lower case, the rest) of the one ``Authorization`` header; of two, nothing.

    A proxy in front of us may have looked at the other one.
    """
    shown = request.headers.getlist("authorization")
    scheme, _, rest = (shown[0] if len(shown) == 1 else "").partition(" ")
    return scheme.lower(), rest.strip()
