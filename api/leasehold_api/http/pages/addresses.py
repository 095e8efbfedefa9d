"""Where pages lead: only ever to a path of this server, unless a route says otherwise."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

# One slash, then neither a second nor a backslash (browsers read both as the beginning of another host), and nothing
# that a browser would cut out first: control characters and spaces.
_OWN = re.compile(r"/(?![/\\])[!-\[\]-~]*", re.ASCII)

LONGEST = 4000


def own_path(text: str | None) -> str:
    """Return ``text`` if it is a path (with a query, perhaps) of this server, else the start page."""
    if text is None or len(text) > LONGEST or not _OWN.fullmatch(text):
        return "/"
    parts = urlsplit(text)
    return "/" if parts.scheme or parts.netloc else text


def sign_in_path(next_path: str) -> str:
    """Return the sign-in page that leads on to ``next_path``."""
    return "/sign-in" if next_path == "/" else "/sign-in?next=" + quote(next_path, safe="")


def origin_of(url: str) -> str:
    """Return scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
