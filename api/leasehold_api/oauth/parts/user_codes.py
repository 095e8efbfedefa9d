"""The codes that people read off one screen and type into another (RFC 8628 section 6.1): ``WDJB-MJHT``."""

from __future__ import annotations

import re
import secrets

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels: no words come about. No digits: none is taken for a letter."""

LENGTH = 8
_SEPARATORS = re.compile(r"[\s\-_.\u2010-\u2015]+")


def new_user_code() -> str:
    """Return a new code, as it is stored: without the dash."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def shown(code: str) -> str:
    """Return a code as people see it."""
    return f"{code[:4]}-{code[4:]}"


def typed(text: str) -> str | None:
    """Return the code that somebody typed, whatever the case and the dashes; none when it can't be one."""
    code = _SEPARATORS.sub("", text[:64]).upper()
    return code if len(code) == LENGTH and set(code) <= set(ALPHABET) else None
