"""A bounded memory of tokens that were verified: a signature is checked once, not on every request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Expiring(Protocol):
    """Anything with an end."""

    @property
    def expires_at(self) -> float:
        """Seconds since 1970."""
        ...


C = TypeVar("C", bound=Expiring)

MOST_REMEMBERED = 20_000


class VerifiedTokens(Generic[C]):
    """Claims by the SHA-256 of the token they were read from. Only what verified gets in."""

    def __init__(self, verify: Callable[[str], C], *, most: int = MOST_REMEMBERED) -> None:
        self._verify = verify
        self._most = most
        self._claims: dict[bytes, C] = {}

    def claims_of(self, token: str) -> C:
        """Return the token's claims; the caller still compares ``expires_at`` with the time.

        Raises:
            SignatureError: as ``verify`` does; a refusal is not remembered.
        """
        digest = hashlib.sha256(token.encode()).digest()
        if (known := self._claims.get(digest)) is not None:
            return known
        claims = self._verify(token)
        if len(self._claims) >= self._most:
            self._claims.pop(next(iter(self._claims)))
        self._claims[digest] = claims
        return claims
