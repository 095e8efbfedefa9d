"""Service clients: programs of a team that sign in by themselves, with a secret or a key of their own."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from leasehold_api.oauth.kept.people_store import PeopleStore, ServiceAccount
from leasehold_api.oauth.kept.store import AuthorityStore
from leasehold_api.oauth.parts.client_authentication import ASSERTION, BY_SECRET
from leasehold_api.oauth.parts.refusals import RefusalError
from leasehold_api.oauth.programs.assertions import LEEWAY_S

GRANT_TYPES = ("client_credentials",)
LONGEST_ASSERTION_S = 300.0
ALGORITHMS = {"EC": ("ES256",), "RSA": ("PS256", "RS256")}
_FEWEST_RSA_BITS = 2048
_MOST_RSA_BITS = 8192
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class UnusableKeyError(ValueError):
    """A public key can't be a service client's; the text says why."""


class ServiceClient:
    """A service client as Authlib wants to see an OAuth client."""

    def __init__(self, account: ServiceAccount) -> None:
        self.account = account

    def get_client_id(self) -> str:
        """Return its id."""
        return self.account.id

    def check_client_secret(self, secret: str) -> bool:
        """Compare in time that tells nothing about where they differ."""
        digest = hashlib.sha256(secret.encode()).hexdigest()
        return self.account.secret_sha256 is not None and hmac.compare_digest(digest, self.account.secret_sha256)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002 - Authlib's signature
        """By secret if it has one, by assertion if it has a key."""
        if method in BY_SECRET:
            return self.account.secret_sha256 is not None
        return method == ASSERTION and self.account.public_jwk is not None

    def check_grant_type(self, grant_type: str) -> bool:
        """It gets tokens for itself, never for people."""
        return grant_type in GRANT_TYPES


def check_is_open(account: ServiceAccount, *, now: float) -> None:
    """Refuse a client that is locked or whose time is over.

    Raises:
        RefusalError: saying why.
    """
    if account.locked_because is not None:
        raise RefusalError(
            "invalid_client",
            f"service client {account.name} is locked: {account.locked_because}. An admin of the team can unlock it.",
        )
    if account.expires_at is not None and now >= account.expires_at:
        raise RefusalError("invalid_client", f"service client {account.name} has expired: ask an admin for a new one")


def usable_key(jwk: dict[str, Any]) -> dict[str, str]:
    """Return the public members of a key that a service client may have: P-256, or RSA from 2048 bits on.

    Raises:
        UnusableKeyError: if it is another, or has private parts.
    """
    if _PRIVATE_MEMBERS & set(jwk):
        raise UnusableKeyError("this is a private key, and must not be used any more: make a new one, send its public")
    try:
        match jwk.get("kty"):
            case "EC" if jwk.get("crv") == "P-256":
                key: ECKey | RSAKey = ECKey.import_key({name: jwk[name] for name in ("kty", "crv", "x", "y")})
            case "RSA":
                _check_length(str(jwk["n"]))
                key = RSAKey.import_key({name: jwk[name] for name in ("kty", "n", "e")})
            case _:
                raise UnusableKeyError("the key must be P-256 (kty EC, crv P-256) or RSA")
    except UnusableKeyError:
        raise
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise UnusableKeyError("the key is not a public JWK (RFC 7517)") from error
    return {name: str(value) for name, value in key.as_dict(private=False).items() if name in {*"xyne", "kty", "crv"}}


def _check_length(modulus: str) -> None:
    bits = int.from_bytes(urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4))).bit_length()
    if not _FEWEST_RSA_BITS <= bits <= _MOST_RSA_BITS:
        raise UnusableKeyError(f"the RSA key has {bits} bits: make one of {_FEWEST_RSA_BITS} to {_MOST_RSA_BITS}")


def by_assertion(
    store: AuthorityStore, people: PeopleStore, assertion: str, client_id: str, *, issuer: str, now: float
) -> ServiceClient | None:
    """Return the service client that signed ``assertion`` (RFC 7523); its jti counts once.

    Raises:
        RefusalError: if it is not signed by its key, not for this server, too old, or was used.
    """
    account = people.service_account(client_id)
    if account is None or account.public_jwk is None:
        return None
    key = _imported(account.public_jwk)
    try:
        claims = jwt.decode(assertion, key, algorithms=list(ALGORITHMS[key.key_type])).claims
    except (JoseError, ValueError, RecursionError) as error:
        raise _refused("the assertion was not signed with the key that this client is known by") from error
    if claims.get("iss") != account.id or claims.get("sub") != account.id:
        raise _refused("iss and sub must both be the client_id")
    if claims.get("aud") not in (issuer, [issuer]):
        # Also not the token endpoint's address: assertions made for one server were taken by others that way.
        raise _refused(f"aud must be the issuer alone, {issuer}")
    expires_at, jti = claims.get("exp"), claims.get("jti")
    if isinstance(expires_at, bool) or not isinstance(expires_at, int | float):
        raise _refused("exp is missing")
    if not now - LEEWAY_S < expires_at <= now + LONGEST_ASSERTION_S + LEEWAY_S:
        raise _refused(f"exp must be within {LONGEST_ASSERTION_S:.0f} s from now: correct the clock")
    if _is_later(claims.get("nbf"), now) or _is_later(claims.get("iat"), now):
        raise _refused("the assertion is from the future: correct the clock")
    if not isinstance(jti, str) or not 1 <= len(jti) <= 256:
        raise _refused("jti is missing: make a new random one for every assertion")
    if not store.remember_jti(f"{account.id}:{jti}", expires_at=expires_at + LEEWAY_S, now=now):
        raise _refused("the assertion was used before: make a new one for every request")
    return ServiceClient(account)


def _imported(jwk: dict[str, str]) -> ECKey | RSAKey:
    members: dict[str, str | list[str]] = {**jwk}
    return ECKey.import_key(members) if jwk["kty"] == "EC" else RSAKey.import_key(members)


def _is_later(value: Any, now: float) -> bool:
    return isinstance(value, int | float) and value > now + LEEWAY_S


def _refused(description: str) -> RefusalError:
    return RefusalError("invalid_client", description)
