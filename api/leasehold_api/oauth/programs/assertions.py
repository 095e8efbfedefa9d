"""Client authentication with ``private_key_jwt`` (RFC 7523), stricter than the RFC, and with clone detection."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from leasehold_api.oauth.kept.generations import Generation, Verdict, judge
from leasehold_api.oauth.kept.store import AuditEntry, AuthorityStore, EnrolledAgent
from leasehold_api.oauth.parts.authlib_parts import JWTBearerClientAssertion
from leasehold_api.oauth.parts.refusals import RefusalError
from leasehold_api.oauth.programs.clients import AUTH_METHOD, AgentClient

ASSERTION_TYPE = "client-authentication+jwt"
LONGEST_LIFE_S = 60.0
LEEWAY_S = 15.0
_MOST_GENERATION = 2**62
_CLIENT_ID = re.compile(r"(?:agt|svc)_[0-9a-f]{1,40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """An assertion whose signature and claims hold."""

    generation: Generation
    expires_at: float


class AgentAssertion(JWTBearerClientAssertion):  # type: ignore[misc]  # Authlib has no type information
    """Authenticates agents at the token endpoint."""

    CLIENT_AUTH_METHOD = AUTH_METHOD

    def __init__(self, store: AuthorityStore, *, issuer: str, now: float, address: str | None) -> None:
        super().__init__()
        self._store = store
        self._issuer = issuer
        self._now = now
        self._address = address
        self._proven_jkt: str | None = None

    def resolve_client_public_key(self, client: AgentClient) -> KeySet:
        """Return the agent's key, and the one that it proposed; the assertion's ``kid`` says which is meant."""
        jwks: list[dict[str, str | list[str]]] = [{**client.agent.public_jwk, "kid": client.agent.jkt}]
        if client.agent.next_public_jwk is not None and client.agent.next_jkt is not None:
            jwks.append({**client.agent.next_public_jwk, "kid": client.agent.next_jkt})
        return KeySet([ECKey.import_key(jwk) for jwk in jwks])

    def __call__(self, query_client: Callable[[str], AgentClient | None], request: Any) -> AgentClient | None:
        """Return the agent that the assertion in ``request`` authenticates.

        Raises:
            RefusalError: if it authenticates nobody; what was learned from it (a clone) is in the transaction by then.
        """
        try:
            client: AgentClient | None = super().__call__(query_client, request)
        except RecursionError as error:
            raise _refused("the assertion is not a signed JWT") from error
        if client is not None:
            client.proven_jkt = self._proven_jkt
        return client

    def process_assertion_claims(self, assertion: str, resolve_key: KeySet) -> dict[str, Any]:
        """Check signature, header and claims, then use the assertion up."""
        try:
            token = jwt.decode(assertion, resolve_key, algorithms=["ES256"])
        except (JoseError, ValueError, RecursionError) as error:
            raise _refused(
                "the assertion was not signed with the key that this agent enrolled; its kid must be the RFC 7638 "
                "thumbprint of that key"
            ) from error
        agent = self._store.agent(str(token.claims["sub"]))
        if agent is None:
            raise unknown_agent()
        _check_header(token.header, agent)
        self._proven_jkt = str(token.header["kid"])
        self._use_up(agent, read_claims(token.claims, issuer=self._issuer, now=self._now))
        return token.claims

    def _use_up(self, agent: EnrolledAgent, assertion: Assertion) -> None:
        shown = assertion.generation
        if not self._store.remember_jti(
            f"{agent.id}:{shown.jti}", expires_at=assertion.expires_at + LEEWAY_S, now=self._now
        ):
            self._audit(agent, "agent.assertion_replayed", generation=shown.number)
            raise _refused("the assertion was used before: make a new one, with the next gen, for every request")
        if agent.locked_because is not None and not agent.is_finishing:
            raise agent_locked(agent.name, agent.locked_because)
        match judge(agent.generation, shown):
            case Verdict.FRESH:
                self._store.set_generation(agent.id, shown)
            case Verdict.REPLAYED:
                self._audit(agent, "agent.assertion_overtaken", generation=shown.number)
                raise _refused("the assertion's gen was passed already: raise gen, make it durable, and try again")
            case Verdict.CLONED:
                because = (
                    f"two agents use its key: gen {shown.number} came after gen {_number(agent.generation)} was used"
                )
                self._store.lock_agent(agent.id, because=because, now=self._now)
                self._audit(agent, "agent.clone_detected", generation=shown.number, known=_number(agent.generation))
                raise agent_locked(agent.name, because)

    def _audit(self, agent: EnrolledAgent, action: str, **detail: int) -> None:
        self._store.audit(
            AuditEntry(
                at=self._now,
                actor=f"agent:{agent.id}",
                action=action,
                object=agent.id,
                result="refused",
                team_id=agent.team_id,
                address=self._address,
                detail=dict(detail),
            )
        )


def read_claims(claims: Mapping[str, Any], *, issuer: str, now: float) -> Assertion:
    """Return what an assertion with a good signature says.

    Raises:
        RefusalError: if a claim is missing or not as asked for.
    """
    if claims.get("iss") != claims.get("sub"):
        raise _refused("iss and sub must both be the client_id")
    if claims.get("aud") not in (issuer, [issuer]):
        raise _refused(f"aud must be the issuer alone, {issuer}, as /.well-known/oauth-authorization-server says")
    issued_at, expires_at = _time(claims, "iat"), _time(claims, "exp")
    if issued_at > now + LEEWAY_S or expires_at <= now - LEEWAY_S:
        raise _refused(
            f"the assertion was made {now - issued_at:+.0f} s ago by this server's clock: correct the clock, or count "
            "from the Date header of this answer"
        )
    if expires_at > min(now + LEEWAY_S, issued_at) + LONGEST_LIFE_S:
        raise _refused("exp must be at most 60 s after iat")
    jti, number = claims.get("jti"), claims.get("gen")
    if not isinstance(jti, str) or not 1 <= len(jti) <= 256:
        raise _refused("jti is missing: make a new random one for every assertion")
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= _MOST_GENERATION:
        raise _refused("gen is missing: count assertions with a counter that is made durable before use")
    return Assertion(generation=Generation(number=number, jti=jti, issued_at=issued_at), expires_at=expires_at)


def claimed_client(assertion: str) -> str | None:
    """Return whom an assertion is about, unproved: to say in the audit trail for whom somebody was refused."""
    try:
        payload = assertion.split(".")[1]
        subject = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"]
    except (ValueError, IndexError, KeyError, TypeError, RecursionError):
        return None
    return subject if isinstance(subject, str) and _CLIENT_ID.fullmatch(subject) else None


def unknown_agent() -> RefusalError:
    """Return the refusal of a client_id that is not enrolled."""
    return _refused("this agent is not enrolled here, or was removed: enrol it with a new enrolment token")


def agent_locked(name: str, because: str) -> RefusalError:
    """Return the refusal of a locked agent."""
    return RefusalError(
        "invalid_client",
        f"agent {name} is locked: {because}. An operator of the team can unlock it.",
        code="agent_locked",
    )


def _check_header(header: Mapping[str, Any], agent: EnrolledAgent) -> None:
    if header.get("typ") != ASSERTION_TYPE:
        raise _refused(f"the assertion's typ must be {ASSERTION_TYPE}")
    if header.get("kid") not in {agent.jkt, agent.next_jkt} - {None}:
        raise _refused("the assertion's kid must be the RFC 7638 thumbprint of the enrolled key")


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(f"{name} is missing")
    return float(value)


def _number(generation: Generation | None) -> int:
    return generation.number if generation else 0


def _refused(description: str) -> RefusalError:
    return RefusalError("invalid_client", description)
