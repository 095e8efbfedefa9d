"""Access tokens of agents: RFC 9068 JWTs, 600 s, bound to the agent's key (``cnf.jkt``, RFC 9449 section 6.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leasehold_api.oauth.kept.store import EnrolledAgent
from leasehold_api.oauth.tokens.keys import SignatureError, SigningKeys
from leasehold_api.oauth.tokens.verified import VerifiedTokens

ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type, not a secret
LIFETIME_S = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentClaims:
    """What a verified access token says."""

    agent_id: str
    jti: str
    jkt: str
    epoch: int
    """The agent's ``token_epoch`` when it was issued; a lower one than the agent's has been ended."""
    expires_at: float


class AccessTokens:
    """Issues and reads the access tokens of agents."""

    def __init__(self, *, issuer: str, keys: SigningKeys) -> None:
        self._issuer = issuer
        self._keys = keys
        self._verified = VerifiedTokens(self._verify)

    def issue(self, agent: EnrolledAgent, *, jti: str, now: float) -> str:
        """Return a token that lets ``agent`` in for ``LIFETIME_S`` seconds."""
        claims = {
            "iss": self._issuer,
            "aud": self._issuer,
            "sub": agent.id,
            "client_id": agent.id,
            "iat": int(now),
            "exp": int(now) + LIFETIME_S,
            "jti": jti,
            "cnf": {"jkt": agent.jkt},
            "site": agent.site,
            "team": agent.team,
            "epoch": agent.token_epoch,
        }
        return self._keys.sign({"typ": ACCESS_TOKEN_TYPE}, claims)

    def claims_of(self, token: str) -> AgentClaims:
        """Return what ``token`` says. Whether its time is over is for the caller to compare.

        Raises:
            SignatureError: if it is not an agent's access token of this server.
        """
        return self._verified.claims_of(token)

    def _verify(self, token: str) -> AgentClaims:
        claims = self._keys.verified(token, typ=ACCESS_TOKEN_TYPE)
        check_issuer_and_audience(claims, issuer=self._issuer, audience=self._issuer)
        try:
            return AgentClaims(
                agent_id=str(claims["sub"]),
                jti=str(claims["jti"]),
                jkt=str(claims["cnf"]["jkt"]),
                epoch=int(claims["epoch"]),
                expires_at=float(claims["exp"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SignatureError("the token lacks a claim") from error


def check_issuer_and_audience(claims: Mapping[str, Any], *, issuer: str, audience: str) -> None:
    """Check strictly: the audience is one text, not a list that happens to have it.

    Raises:
        SignatureError: if the token is another issuer's, or meant for another audience.
    """
    if claims.get("iss") != issuer:
        raise SignatureError(f"the token was issued by another server than {issuer}")
    if claims.get("aud") != audience:
        raise SignatureError(f"the token is not meant for {audience}")
