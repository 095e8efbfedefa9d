"""Access tokens of people and service clients: RFC 9068 JWTs, 600 s, bearer or bound to a key (RFC 9449, 6.1).

Their audience is one of their own, so that no agent's or task's token fits where people are let in, and the reverse.
"""

from __future__ import annotations

from dataclasses import dataclass

from leasehold_api.oauth.tokens.access_tokens import ACCESS_TOKEN_TYPE, LIFETIME_S, check_issuer_and_audience
from leasehold_api.oauth.tokens.keys import SignatureError, SigningKeys
from leasehold_api.oauth.tokens.verified import VerifiedTokens


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonClaims:
    """What a verified access token says."""

    subject: str
    """The user or the service client."""
    client_id: str
    jti: str
    sign_in_id: str | None
    """None: it is a service client's own."""
    scope: str
    epoch: int
    jkt: str | None
    """The key it is bound to; none: a bearer token."""
    issued_at: float
    expires_at: float


def people_audience(issuer: str) -> str:
    """Return the audience: what tokens of people and service clients are for."""
    return f"{issuer}/people"


class PeopleTokens:
    """Issues and reads the access tokens of people and service clients."""

    def __init__(self, *, issuer: str, keys: SigningKeys) -> None:
        self._issuer = issuer
        self._keys = keys
        self._verified = VerifiedTokens(self._verify)

    def issue(
        self,
        *,
        subject: str,
        client_id: str,
        sign_in_id: str | None,
        scope: str,
        epoch: int,
        jkt: str | None,
        jti: str,
        now: float,
    ) -> str:
        """Return a token that is good for ``LIFETIME_S`` seconds."""
        claims = {
            "iss": self._issuer,
            "aud": people_audience(self._issuer),
            "sub": subject,
            "client_id": client_id,
            "iat": int(now),
            "exp": int(now) + LIFETIME_S,
            "jti": jti,
            "scope": scope,
            "epoch": epoch,
            **({} if sign_in_id is None else {"sid": sign_in_id}),
            **({} if jkt is None else {"cnf": {"jkt": jkt}}),
        }
        return self._keys.sign({"typ": ACCESS_TOKEN_TYPE}, claims)

    def claims_of(self, token: str) -> PersonClaims:
        """Return what ``token`` says. Whether its time is over is for the caller to compare.

        Raises:
            SignatureError: if it is not a person's or service client's access token of this server.
        """
        return self._verified.claims_of(token)

    def _verify(self, token: str) -> PersonClaims:
        claims = self._keys.verified(token, typ=ACCESS_TOKEN_TYPE)
        check_issuer_and_audience(claims, issuer=self._issuer, audience=people_audience(self._issuer))
        try:
            return PersonClaims(
                subject=str(claims["sub"]),
                client_id=str(claims["client_id"]),
                jti=str(claims["jti"]),
                sign_in_id=str(claims["sid"]) if "sid" in claims else None,
                scope=str(claims["scope"]),
                epoch=int(claims["epoch"]),
                jkt=str(claims["cnf"]["jkt"]) if "cnf" in claims else None,
                issued_at=float(claims["iat"]),
                expires_at=float(claims["exp"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SignatureError("the token lacks a claim") from error
