"""A key's fingerprint as people compare it: on the machine that has the key, and where its enrolment is approved."""

from __future__ import annotations

import re
from base64 import b32encode, urlsafe_b64decode

THUMBPRINT_PATTERN = r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"
"""SHA-256 in base64url: of the last character only four bits count."""
_BYTES = 20
"""160 bits: nobody makes another key with the same ones."""
_GROUP = 4
_FORM = re.compile(THUMBPRINT_PATTERN)


def fingerprint(thumbprint: str) -> str:
    """Return an RFC 7638 thumbprint as ``SHA256:ABCD-EFGH-…``: its first 160 bits in base32, in eight groups of four.

    Base32 has capitals and the digits 2 to 7 only, so nothing in it looks like something else.

    Raises:
        ValueError: if it is not a SHA-256 in base64url.
    """
    if not is_thumbprint(thumbprint):
        raise ValueError("a thumbprint is a SHA-256 in base64url: 43 characters")
    digest = urlsafe_b64decode(thumbprint + "=")
    text = b32encode(digest[:_BYTES]).decode()
    return "SHA256:" + "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def is_thumbprint(text: str) -> bool:
    """Say whether ``text`` has the form of an RFC 7638 thumbprint by SHA-256."""
    return _FORM.fullmatch(text) is not None
