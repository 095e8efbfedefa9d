"""The agent's own key: P-256, made at the site, and what is signed with it (RFC 9449, RFC 7523)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from urllib.parse import urlsplit, urlunsplit

from joserfc import jwt
from joserfc.jwk import ECKey

ASSERTION_TYPE = "client-authentication+jwt"
PROOF_TYPE = "dpop+jwt"
_ASSERTION_LIFE_S = 60


class AgentKey:
    """A P-256 key pair. The private half leaves this object only for the key store."""

    def __init__(self, key: ECKey) -> None:
        self._key = key
        self.public_jwk: dict[str, str] = {
            name: str(value) for name, value in key.as_dict(private=False).items() if name in ("kty", "crv", "x", "y")
        }
        self.thumbprint: str = key.thumbprint()
        """RFC 7638, SHA-256."""

    @classmethod
    def generate(cls) -> AgentKey:
        """Make a new key, one whose thumbprint no command line takes for an option: people copy it into some."""
        while (made := cls(ECKey.generate_key("P-256", private=True))).thumbprint.startswith("-"):
            pass  # one in 64
        return made

    @classmethod
    def from_der(cls, der: bytes) -> AgentKey:
        """Return the key that ``private_der`` gave.

        Raises:
            ValueError: it is not a private key.
        """
        return cls(ECKey.import_key(der))

    def private_der(self) -> bytes:
        """Return the private key (PKCS #8, DER) for the key store."""
        return self._key.as_der(private=True)

    def proof(self, *, method: str, url: str, now: float, token: str | None = None, nonce: str | None = None) -> str:
        """Return a DPoP proof (RFC 9449, 4.2) for one request at the Unix time ``now``.

        With ``token`` the proof is bound to it by ``ath``; ``nonce`` is the API's, which makes ``now`` not count.
        """
        parts = urlsplit(url)
        claims: dict[str, str | int] = {
            "htm": method,
            "htu": urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")),
            "iat": int(now),
            "jti": secrets.token_urlsafe(16),
        }
        if token is not None:
            claims["ath"] = _base64url(hashlib.sha256(token.encode()).digest())
        if nonce is not None:
            claims["nonce"] = nonce
        return self._signed({"typ": PROOF_TYPE, "alg": "ES256", "jwk": self.public_jwk}, claims)

    def assertion(self, *, client_id: str, audience: str, generation: int, now: float) -> str:
        """Return a client assertion (RFC 7523, 3): good for 60 s, and for one use.

        ``generation`` must be durable before: a counter that goes back, or is used twice, is how a clone shows.
        """
        claims: dict[str, str | int] = {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "iat": int(now),
            "exp": int(now) + _ASSERTION_LIFE_S,
            "jti": secrets.token_urlsafe(16),
            "gen": generation,
        }
        return self._signed({"typ": ASSERTION_TYPE, "alg": "ES256", "kid": self.thumbprint}, claims)

    def _signed(self, header: dict[str, object], claims: dict[str, str | int]) -> str:
        return jwt.encode(header, dict(claims), self._key, algorithms=["ES256"])


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
