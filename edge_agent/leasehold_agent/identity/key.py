"""The agent's own key: P-256, made at the site, and what is signed with it (RFC 9449, RFC 7523).

Tokens are written here, and not by a library for JOSE: of all its algorithms this needs one, and an idle agent would
keep 3 MiB of the others in memory.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from urllib.parse import urlsplit, urlunsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ASSERTION_TYPE = "client-authentication+jwt"
PROOF_TYPE = "dpop+jwt"
_ASSERTION_LIFE_S = 60
_NUMBER_BYTES = 32
"""The length of a coordinate, and of each half of a signature (RFC 7518, 3.4 and 6.2.1)."""


class AgentKey:
    """A P-256 key pair. The private half leaves this object only for the key store."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        point = key.public_key().public_numbers()
        self.public_jwk: dict[str, str] = {
            "crv": "P-256",
            "kty": "EC",
            "x": _base64url(point.x.to_bytes(_NUMBER_BYTES, "big")),
            "y": _base64url(point.y.to_bytes(_NUMBER_BYTES, "big")),
        }
        # The members in the order of their names, without spaces: RFC 7638, 3.
        self.thumbprint: str = _base64url(hashlib.sha256(_json(self.public_jwk)).digest())
        """RFC 7638, SHA-256."""

    @classmethod
    def generate(cls) -> AgentKey:
        """Make a new key, one whose thumbprint no command line takes for an option: people copy it into some."""
        while (made := cls(ec.generate_private_key(ec.SECP256R1()))).thumbprint.startswith("-"):
            pass  # one in 64
        return made

    @classmethod
    def from_der(cls, der: bytes) -> AgentKey:
        """Return the key that ``private_der`` gave.

        Raises:
            ValueError: it is no private key on P-256.
        """
        try:
            key = serialization.load_der_private_key(der, None)
        except (TypeError, UnsupportedAlgorithm) as error:  # it is sealed, or of a kind that nobody knows
            raise ValueError(str(error)) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ValueError("the key is of another kind")
        return cls(key)

    def private_der(self) -> bytes:
        """Return the private key (PKCS #8, DER) for the key store."""
        return self._key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

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
        signed = f"{_base64url(_json(header))}.{_base64url(_json(claims))}"
        numbers = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_base64url(b''.join(number.to_bytes(_NUMBER_BYTES, 'big') for number in numbers))}"


def _json(members: dict[str, object] | dict[str, str] | dict[str, str | int]) -> bytes:
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
