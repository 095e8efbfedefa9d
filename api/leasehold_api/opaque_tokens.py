"""Opaque tokens, ``<prefix>_<12 hex>.<43 base64url>``: the id is public, of the secret only the SHA-256 is stored."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Literal

Prefix = Literal["enr", "lht", "lnk", "lha", "lhd", "lhr", "lhs"]
"""``enr``: an enrolment token. ``lht``: an API token. ``lnk``: the code of a sign-in link. Of OAuth, ``lha``: an
authorization code, ``lhd``: a device code, ``lhr``: a refresh token, ``lhs``: a service client's secret."""

_SHAPE = re.compile(r"(?P<id>(?:enr|lnk|lh[tadrs])_[0-9a-f]{12})\.(?P<secret>[A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpaqueToken:
    """A token in the open: it exists in the one answer that issues it, and in requests."""

    id: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """What its owner sends."""
        return f"{self.id}.{self.secret}"

    @property
    def sha256(self) -> str:
        """What is stored: the digest of the whole text, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def has_digest(self, stored: str) -> bool:
        """Compare with a stored digest, in time that tells nothing about where they differ."""
        return hmac.compare_digest(self.sha256, stored)


def mint(prefix: Prefix) -> OpaqueToken:
    """Return a new token with 256 random bits."""
    secret = urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    return OpaqueToken(id=f"{prefix}_{secrets.token_hex(6)}", secret=secret)


def parse(text: str, prefix: Prefix) -> OpaqueToken | None:
    """Return the token that ``text`` spells, or none when it has another shape or prefix."""
    match = _SHAPE.fullmatch(text)
    if match is None or not text.startswith(prefix + "_"):
        return None
    return OpaqueToken(id=match["id"], secret=match["secret"])
