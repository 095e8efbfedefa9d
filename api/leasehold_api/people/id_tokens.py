"""Whether an ID token of the OIDC provider says what it must (OpenID Connect Core 1.0, section 3.1.3.7)."""

from __future__ import annotations

import hashlib
import hmac
import warnings
from base64 import urlsafe_b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

from joserfc import jws, jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet

SKEW_S = 60.0
"""How far the provider's clock may be from ours."""

SIGNED_BY = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
"""Algorithms that are taken, if the provider's metadata has them."""

_HALVES = {"EdDSA": hashlib.sha512, "Ed25519": hashlib.sha512}


class IdTokenError(Exception):
    """The token is not what it must be; nobody is signed in by it."""


class UnknownKeyError(IdTokenError):
    """The token names a key that the provider's key set did not have when it was last read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a token must say."""

    issuer: str
    client_id: str
    nonce: str
    algorithms: Collection[str]
    access_token: str | None


def key_id(token: str) -> str | None:
    """Return which key a token names; none when it names none.

    Raises:
        IdTokenError: if it is no token.
    """
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, RecursionError) as error:
        raise IdTokenError("the ID token is no signed JWT") from error
    named = header.get("kid")
    return named if isinstance(named, str) else None


def claims_of(token: str, keys: Mapping[str | None, Any], expected: Expected, *, now: float) -> dict[str, Any]:
    """Return the claims of an ID token.

    Args:
        token: the JWT.
        keys: the provider's public signing keys by id; under None the only key that has no id, or the only one.
        expected: what the token must say.
        now: seconds since 1970.

    Raises:
        UnknownKeyError: if the keys don't have the one that the token names.
        IdTokenError: if the token is not what it must be.
    """
    key = keys.get(key_id(token))
    if key is None:
        raise UnknownKeyError("the ID token was signed by a key that the provider's key set does not have")
    try:
        with warnings.catch_warnings():
            # "EdDSA" is what providers send; its new name came late (RFC 9864).
            warnings.simplefilter("ignore", SecurityWarning)
            decoded = jwt.decode(token, key, algorithms=list(expected.algorithms))
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise IdTokenError("the signature of the ID token is not the provider's") from error
    claims = decoded.claims
    _check_whom(claims, expected)
    _check_when(claims, now=now)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise IdTokenError("the ID token is for another sign-in (nonce)")
    _check_access_token(claims, str(decoded.header.get("alg")), expected)
    return dict(claims)


def _check_whom(claims: Mapping[str, Any], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise IdTokenError("the ID token is from another issuer (iss)")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if expected.client_id not in audiences:
        raise IdTokenError("the ID token is for another client (aud)")
    if claims.get("azp", expected.client_id if len(audiences) == 1 else None) != expected.client_id:
        raise IdTokenError("the ID token was given to another client (azp)")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise IdTokenError("the ID token names nobody (sub)")


def _check_when(claims: Mapping[str, Any], *, now: float) -> None:
    times = {name: claims.get(name) for name in ("exp", "iat")}
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in times.values()):
        raise IdTokenError("the ID token does not say from when to when it is good (iat, exp)")
    if now >= cast("float", times["exp"]) + SKEW_S:
        raise IdTokenError("the ID token has expired: compare the clocks of this server and of the provider")
    if cast("float", times["iat"]) > now + SKEW_S:
        raise IdTokenError("the ID token is from the future: compare the clocks of this server and of the provider")


def _check_access_token(claims: Mapping[str, Any], algorithm: str, expected: Expected) -> None:
    at_hash = claims.get("at_hash")
    if at_hash is None:
        return
    digest = _HALVES.get(algorithm, hashlib.sha256)((expected.access_token or "").encode()).digest()
    half = urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    if not isinstance(at_hash, str) or not hmac.compare_digest(at_hash.encode(), half.encode()):
        raise IdTokenError("the ID token and the access token don't belong together (at_hash)")


def signing_keys(document: Mapping[str, Any]) -> dict[str | None, Any]:
    """Return the public keys of a JWKS that may sign, by id.

    Raises:
        IdTokenError: if it is no JWKS.
    """
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise IdTokenError("the provider's key set has no list of keys")
    found: dict[str | None, Any] = {}
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        fields = cast("dict[str, Any]", entry)
        # A symmetric key in a public document is nobody's signature.
        if fields.get("use", "sig") != "sig" or fields.get("kty") not in {"RSA", "EC", "OKP"}:
            continue
        try:
            key = KeySet.import_key_set({"keys": [fields]}).keys[0]
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        named = fields.get("kid")
        found[named if isinstance(named, str) else None] = key
    if len(found) == 1:
        found[None] = next(iter(found.values()))
    return found
