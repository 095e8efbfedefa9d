"""DPoP proofs (RFC 9449): that whoever sends a request has the private key its token is bound to."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.jws import CompactSignature

from leasehold_api.oauth.possession.nonces import LIFE_S, Nonces

PROOF_TYPE = "dpop+jwt"
WINDOW_S = 60.0
LEEWAY_S = 10.0
_LONGEST_PROOF = 4096
_PRIVATE_MEMBERS = ("d", "k")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class ProofError(Exception):
    """A proof of possession is not valid; the text says why and what to do."""


class ReplayedProofError(ProofError):
    """A proof was used before."""


class NonceWantedError(ProofError):
    """A proof must name a nonce of this server, and names none that is good: the answer has one, make it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A proof that holds for the request it came with."""

    jkt: str
    """RFC 7638 thumbprint of the key that signed it."""
    jti: str
    good_until: float
    """From then on it is refused for its age, so its use need not be remembered."""
    nonce_age_s: float | None = None
    """How long ago its nonce was made; none when it has none."""


def read_proof(
    text: str,
    *,
    method: str,
    url: str,
    now: float,
    access_token: str | None = None,
    nonces: Nonces | None = None,
    needs_nonce: bool = False,
) -> Proof:
    """Return the proof in a ``DPoP`` header, checked against the request it came with (RFC 9449 section 4.3).

    Args:
        text: The header's value.
        method: The request's method.
        url: The request's address under the server's public URL, without query.
        now: Seconds since 1970.
        access_token: The token that the request shows; its hash must be the proof's ``ath``.
        nonces: This server's nonces. A good one proves that the proof is fresh, whatever its maker's clock says.
        needs_nonce: A proof without one is refused.

    Raises:
        NonceWantedError: if its nonce is not good, or is missing and needed.
        ProofError: if the proof is not one, or is for another request, token or time.
    """
    signed = _extracted(text)
    key, jkt = _key_in(signed.headers())
    try:
        holds = jws.validate_compact(signed, key, algorithms=["ES256"])
    except (JoseError, ValueError) as error:
        raise ProofError("the proof's signature can't be read") from error
    if not holds:
        raise ProofError("the proof's signature does not fit the key in its header")
    claims = _claims_of(signed.payload)
    _check_request(claims, method=method, url=url)
    if access_token is not None and claims.get("ath") != hash_of(access_token):
        raise ProofError("the proof is for another token: set ath to base64url(SHA-256(token))")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= 256:
        raise ProofError("the proof has no usable jti: make a new random one for every request")
    age = _nonce_age_s(claims, nonces, needs_nonce=needs_nonce, now=now)
    issued_at = _issued_at(claims)
    if age is not None:
        return Proof(jkt=jkt, jti=jti, good_until=now - age + LIFE_S, nonce_age_s=age)
    _check_time(issued_at, now=now)
    return Proof(jkt=jkt, jti=jti, good_until=issued_at + WINDOW_S + LEEWAY_S)


def hash_of(token: str) -> str:
    """Return ``ath`` for a token (RFC 9449 section 4.2)."""
    return urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()


def thumbprint_of(jwk: Mapping[str, Any]) -> str:
    """Return the RFC 7638 thumbprint of a public P-256 key.

    Raises:
        ProofError: if it is not one, or has private parts.
    """
    return _imported(jwk)[1]


def key_shown(text: str) -> dict[str, str]:
    """Return the public key that a proof carries; read the proof before, only then is it known to hold."""
    members = _key_in(_extracted(text).headers())[0].as_dict(private=False)
    return {name: str(members[name]) for name in ("kty", "crv", "x", "y")}


def _extracted(text: str) -> CompactSignature:
    if len(text) > _LONGEST_PROOF:
        raise ProofError("the proof is too long")
    try:
        return jws.extract_compact(text.encode())
    except (JoseError, ValueError, RecursionError) as error:
        raise ProofError("the DPoP header is not a signed JWT") from error


def _claims_of(payload: bytes) -> dict[str, Any]:
    try:
        claims: object = json.loads(payload, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ProofError("the proof's claims are not a JSON object in which each name is once") from error
    if not isinstance(claims, dict):
        raise ProofError("the proof's claims are not a JSON object")
    return cast("dict[str, Any]", claims)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Readers differ in which of two equal names counts: nobody shall see another address in a proof than we do.
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _key_in(header: Mapping[str, Any]) -> tuple[ECKey, str]:
    if header.get("typ") != PROOF_TYPE:
        raise ProofError(f"the proof's typ must be {PROOF_TYPE}")
    if header.get("alg") != "ES256":
        raise ProofError("the proof must be signed with ES256")
    jwk: object = header.get("jwk")
    if not isinstance(jwk, dict):
        raise ProofError("the proof's header has no jwk")
    return _imported(jwk)


def _imported(jwk: Mapping[str, Any]) -> tuple[ECKey, str]:
    if any(member in jwk for member in _PRIVATE_MEMBERS):
        raise ProofError("a private key was sent; this key must not be used any more: make a new one")
    x, y = jwk.get("x"), jwk.get("y")
    if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256" or not isinstance(x, str) or not isinstance(y, str):
        raise ProofError("the key must be a public P-256 key (kty EC, crv P-256)")
    return _public_key(x, y)


@lru_cache(maxsize=4096)
def _public_key(x: str, y: str) -> tuple[ECKey, str]:
    # An agent proves with the same key for weeks, and checking that a point is on the curve costs like a signature.
    try:
        key = ECKey.import_key({"kty": "EC", "crv": "P-256", "x": x, "y": y})
        return key, key.thumbprint()
    except (JoseError, ValueError, TypeError) as error:
        raise ProofError("the key is not a point on P-256") from error


def _check_request(claims: Mapping[str, Any], *, method: str, url: str) -> None:
    if claims.get("htm") != method:
        raise ProofError(f"the proof is for another method than {method}")
    htu = claims.get("htu")
    ours = _normalised(url)
    if not isinstance(htu, str) or ours is None or _normalised(htu) != ours:
        raise ProofError(
            f"the proof is for another address than {url}: use the server's public URL (LEASEHOLD_API_PUBLIC_URL)"
        )


def _nonce_age_s(claims: Mapping[str, Any], nonces: Nonces | None, *, needs_nonce: bool, now: float) -> float | None:
    nonce: object = claims.get("nonce")
    if nonces is None or (nonce is None and not needs_nonce):
        return None
    if nonce is None:
        raise NonceWantedError("make the proof again with the nonce in this answer's DPoP-Nonce header")
    age = nonces.age_s(nonce, now=now) if isinstance(nonce, str) else None
    if age is None:
        raise NonceWantedError(
            "the proof's nonce is too old or not of this server: make it again with the one in DPoP-Nonce"
        )
    return age


def _issued_at(claims: Mapping[str, Any]) -> float:
    issued_at = claims.get("iat")
    if isinstance(issued_at, bool) or not isinstance(issued_at, int | float):
        raise ProofError("the proof has no iat")
    return float(issued_at)


def _check_time(issued_at: float, *, now: float) -> None:
    if not now - WINDOW_S - LEEWAY_S <= issued_at <= now + LEEWAY_S:
        raise ProofError(
            f"the proof was made {now - issued_at:+.0f} s ago by this server's clock: correct the clock, or count from "
            "the Date header of this answer, or use its DPoP-Nonce"
        )


def _normalised(url: str) -> tuple[str, str, int | None, str] | None:
    """Return what must be equal of two addresses (RFC 3986 section 6.2.2): case, escapes and query don't count."""
    if not url.isprintable() or " " in url:
        return None  # urlsplit would leave line ends and tabs out, and compare what is left
    try:
        parts = urlsplit(url)
        if "@" in parts.netloc:
            return None
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    return parts.scheme, (parts.hostname or "").lower(), port, unquote(parts.path) or "/"
