"""An agent's side of OAuth, for tests: its key, proofs and client assertions, right or wrong on purpose."""

from __future__ import annotations

import hashlib
import itertools
import json
import secrets
from base64 import urlsafe_b64encode
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from leasehold_api import clock


class AgentKey:
    """A P-256 key and everything that an agent makes with it."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256")
        self.jkt = self.key.thumbprint()
        self._generations = itertools.count(1)

    @property
    def public_jwk(self) -> dict[str, str]:
        """The public key."""
        return {name: str(value) for name, value in self.key.as_dict(private=False).items()}

    def proof(
        self,
        method: str,
        url: str,
        *,
        token: str | None = None,
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Return a DPoP proof; ``header`` and ``claims`` replace what would be right (none: leave it out)."""
        protected = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.public_jwk, **(header or {})}
        right: dict[str, Any] = {
            "htm": method,
            "htu": url,
            "iat": int(clock.now()),
            "jti": secrets.token_urlsafe(12),
        }
        if token is not None:
            right["ath"] = urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
        return _signed(protected, {**right, **claims}, self.key)

    def assertion(self, client_id: str, issuer: str, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a client assertion with the next generation, changed like a proof."""
        now = int(clock.now())
        protected = {"typ": "client-authentication+jwt", "alg": "ES256", "kid": self.jkt, **(header or {})}
        right = {
            "iss": client_id,
            "sub": client_id,
            "aud": issuer,
            "iat": now,
            "exp": now + 60,
            "jti": secrets.token_urlsafe(12),
        }
        if "gen" not in claims:
            right["gen"] = next(self._generations)
        return _signed(protected, {**right, **claims}, self.key)


def unsigned_jwt(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """Return a JWT whose signature is whatever is given."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def _signed(header: dict[str, Any], claims: dict[str, Any], key: ECKey) -> str:
    header = {name: value for name, value in header.items() if value is not None}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(header, claims, key, algorithms=["ES256"], default_type=None)
