"""What a token is that somebody shows: for introspection (RFC 7662) and revocation (RFC 7009), whatever its kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from leasehold_api.fleet.standing import UserStanding
from leasehold_api.oauth.kept.people_store import PeopleStore, SignIn
from leasehold_api.oauth.kept.store import AuthorityStore
from leasehold_api.oauth.tokens.access_tokens import AccessTokens
from leasehold_api.oauth.tokens.keys import SignatureError
from leasehold_api.oauth.tokens.people_tokens import PeopleTokens, people_audience
from leasehold_api.oauth.tokens.task_tokens import TaskTokens
from leasehold_api.opaque_tokens import OpaqueToken, parse


class Reader(Protocol):
    """The server, as far as tokens are read."""

    issuer: str
    now: float
    store: AuthorityStore
    access_tokens: AccessTokens
    people_tokens: PeopleTokens
    task_tokens: TaskTokens


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownToken:
    """A token of this server."""

    id: str
    """How the audit trail names it: never the token."""
    client_id: str | None
    """Whom it was given to; none for API tokens, which belong to whoever has them."""
    team_ids: frozenset[str]
    """Clients of these teams may ask about it."""
    is_active: bool
    facts: dict[str, Any]
    """RFC 7662 section 2.2, without ``active``."""
    revoke: Callable[[], bool]
    """Ends it, and whatever ends with it; says whether that changed anything."""

    def check_client(self, client: Any) -> bool:
        """Say whether ``client`` may end it."""
        return self.client_id is None or client.get_client_id() == self.client_id

    def is_expired(self) -> bool:
        """For Authlib; ``is_active`` has it all."""
        return not self.is_active

    def is_revoked(self) -> bool:
        """For Authlib; ``is_active`` has it all."""
        return not self.is_active


def known_token(reader: Reader, text: str) -> KnownToken | None:
    """Return the token that ``text`` is, if this server issued it."""
    if (refresh := parse(text, "lhr")) is not None:
        return _refresh_token(reader, refresh)
    if (api_token := parse(text, "lht")) is not None:
        return _api_token(reader, api_token)
    for read in (_persons, _agents, _tasks):
        try:
            return read(reader, text)
        except SignatureError:
            continue
    return None


def _persons(reader: Reader, text: str) -> KnownToken | None:
    claims, people = reader.people_tokens.claims_of(text), reader.store.people
    facts: dict[str, Any] = {
        "iss": reader.issuer,
        "aud": people_audience(reader.issuer),
        "client_id": claims.client_id,
        "sub": claims.subject,
        "jti": claims.jti,
        "scope": claims.scope,
        "token_type": "DPoP" if claims.jkt else "Bearer",
        "iat": int(claims.issued_at),
        "exp": int(claims.expires_at),
        **({"cnf": {"jkt": claims.jkt}} if claims.jkt else {}),
    }
    is_in_time = reader.now < claims.expires_at and not people.is_revoked(claims.jti)
    if claims.sign_in_id is None:
        account = people.service_account(claims.subject)
        if account is None:
            return None
        is_good = account.token_epoch == claims.epoch and account.is_open(now=reader.now)
        teams, facts["username"] = frozenset({account.team_id}), account.name
    else:
        sign_in, user = people.sign_in(claims.sign_in_id), people.user(claims.subject)
        is_good = _stands(sign_in, user, claims.epoch)
        teams, facts["username"] = _teams_of(user), user.name if user else ""
    return KnownToken(
        id=claims.jti,
        client_id=claims.client_id,
        team_ids=teams,
        is_active=is_in_time and is_good,
        facts=facts,
        revoke=_revoker(reader, claims.jti, claims.expires_at),
    )


def _agents(reader: Reader, text: str) -> KnownToken | None:
    claims = reader.access_tokens.claims_of(text)
    agent = reader.store.agent(claims.agent_id)
    if agent is None:
        return None
    is_good = agent.token_epoch == claims.epoch and agent.jkt == claims.jkt and agent.locked_because is None
    return KnownToken(
        id=claims.jti,
        client_id=agent.id,
        team_ids=frozenset({agent.team_id}),
        is_active=is_good and reader.now < claims.expires_at and not reader.store.people.is_revoked(claims.jti),
        facts={
            "iss": reader.issuer,
            "aud": reader.issuer,
            "client_id": agent.id,
            "sub": agent.id,
            "jti": claims.jti,
            "token_type": "DPoP",
            "exp": int(claims.expires_at),
            "cnf": {"jkt": claims.jkt},
        },
        revoke=_revoker(reader, claims.jti, claims.expires_at),
    )


def _tasks(reader: Reader, text: str) -> KnownToken | None:
    claims = reader.task_tokens.claims_of(text)
    agent = reader.store.agent(claims.agent_id)
    lease = reader.store.lease(claims.task_instance, epoch=claims.epoch, agent_id=claims.agent_id)
    is_good = agent is not None and agent.jkt == claims.jkt and (agent.locked_because is None or agent.is_finishing)
    is_held = lease is not None and reader.now < lease.expires_at
    return KnownToken(
        id=claims.jti,
        client_id=claims.agent_id,
        team_ids=frozenset({claims.team_id}),
        is_active=is_good
        and is_held
        and reader.now < claims.expires_at
        and not reader.store.people.is_revoked(claims.jti),
        facts={
            "iss": reader.issuer,
            "aud": f"{reader.issuer}/task",
            "client_id": claims.agent_id,
            "sub": claims.attempt,
            "jti": claims.jti,
            "scope": " ".join(sorted(claims.scopes)),
            "token_type": "DPoP",
            "exp": int(claims.expires_at),
            "cnf": {"jkt": claims.jkt},
        },
        revoke=_revoker(reader, claims.jti, claims.expires_at),
    )


def _refresh_token(reader: Reader, shown: OpaqueToken) -> KnownToken | None:
    people = reader.store.people
    stored = people.refresh_token(shown.id)
    sign_in = None if stored is None else people.sign_in(stored.sign_in_id)
    if stored is None or sign_in is None or not shown.has_digest(stored.secret_sha256):
        return None
    user = people.user(sign_in.user_id)
    is_good = stored.used_at is None and _stands(sign_in, user, sign_in.user_epoch)
    return KnownToken(
        id=stored.id,
        client_id=sign_in.client_id,
        team_ids=_teams_of(user),
        is_active=is_good and reader.now < stored.expires_at,
        facts={
            "iss": reader.issuer,
            "client_id": sign_in.client_id,
            "sub": sign_in.user_id,
            "username": user.name if user else "",
            "scope": sign_in.scope,
            "exp": int(stored.expires_at),
        },
        revoke=lambda: people.end_sign_in(sign_in.id, because="it was signed out", now=reader.now),
    )


def _api_token(reader: Reader, shown: OpaqueToken) -> KnownToken | None:
    people = reader.store.people
    stored = people.api_token(shown.id)
    if stored is None or not shown.has_digest(stored.secret_sha256):
        return None
    is_in_time = stored.expires_at is None or reader.now < stored.expires_at
    return KnownToken(
        id=stored.id,
        client_id=None,
        team_ids=frozenset() if stored.team_id is None else frozenset({stored.team_id}),
        is_active=is_in_time and not stored.is_revoked,
        facts={
            "iss": reader.issuer,
            "sub": stored.id,
            "username": stored.name,
            "scope": stored.role.value,
            "token_type": "Bearer",
            "iat": int(stored.created_at),
            **({} if stored.expires_at is None else {"exp": int(stored.expires_at)}),
        },
        revoke=lambda: people.revoke_api_token(stored.id, now=reader.now),
    )


def _stands(sign_in: SignIn | None, user: UserStanding | None, epoch: int) -> bool:
    if sign_in is None or user is None or sign_in.ended_because is not None:
        return False
    return user.locked_because is None and user.token_epoch == epoch


def _teams_of(user: UserStanding | None) -> frozenset[str]:
    return frozenset() if user is None else frozenset(one.team_id for one in user.memberships.values())


def _revoker(reader: Reader, jti: str, expires_at: float) -> Callable[[], bool]:
    people: PeopleStore = reader.store.people

    def revoke() -> bool:
        if reader.now >= expires_at or people.is_revoked(jti):
            return False
        people.revoke_jti(jti, expires_at=expires_at, now=reader.now)
        return True

    return revoke
