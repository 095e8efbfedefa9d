"""What the grants of people have in common: a sign-in begins, its person stands as they do, its tokens are made."""

from __future__ import annotations

import secrets
from typing import Any

from leasehold_api import clock
from leasehold_api.fleet.standing import UserStanding
from leasehold_api.oauth.kept.people_store import PeopleStore, SignIn
from leasehold_api.oauth.kept.store import AuditEntry
from leasehold_api.oauth.parts.refusals import RefusalError
from leasehold_api.oauth.tokens.access_tokens import LIFETIME_S
from leasehold_api.opaque_tokens import OpaqueToken, mint

REFRESH_LIFETIME_S = 30 * 86400.0

TokenAnswer = tuple[int, dict[str, Any], list[tuple[str, str]]]


def person_of(people: PeopleStore, user_id: str, *, epoch: int) -> UserStanding:
    """Return the person who agreed, if they still stand as they did then.

    Raises:
        RefusalError: if they were locked or removed, or all that they agreed to was ended.
    """
    user = people.user(user_id)
    if user is None or user.token_epoch != epoch:
        raise RefusalError("invalid_grant", "this sign-in was ended: sign in again")
    if user.locked_because is not None:
        raise RefusalError(
            "invalid_grant", f"the account {user.name} is locked: {user.locked_because}. Ask a platform admin."
        )
    return user


def begin(grant: Any, user: UserStanding, *, client_id: str, scope: str, sign_in_id: str, how: str) -> SignIn:
    """Begin a sign-in, and record it."""
    server = grant.server
    sign_in = SignIn(
        id=sign_in_id,
        user_id=user.id,
        user_epoch=user.token_epoch,
        client_id=client_id,
        scope=scope,
        jkt=server.proof_jkt,
        expires_at=server.now + REFRESH_LIFETIME_S,
        ended_because=None,
    )
    server.store.people.add_sign_in(sign_in, address=server.address, now=server.now)
    record(server, user, "oauth.signed_in", sign_in.id, {"client": client_id, "scope": scope, "how": how})
    return sign_in


def end(server: Any, sign_in: SignIn, *, because: str, action: str, result: str = "done") -> None:
    """End a sign-in with all its tokens, and record why."""
    if server.store.people.end_sign_in(sign_in.id, because=because, now=server.now):
        user = server.store.people.user(sign_in.user_id)
        record(server, user, action, sign_in.id, {"client": sign_in.client_id, "because": because}, result=result)


def answer(grant: Any, sign_in: SignIn, *, scope: str, refresh_token: OpaqueToken) -> TokenAnswer:
    """Return the token endpoint's answer: an access token, bound if the request had a proof, and a refresh token."""
    server = grant.server
    access_token = server.people_tokens.issue(
        subject=sign_in.user_id,
        client_id=sign_in.client_id,
        sign_in_id=sign_in.id,
        scope=scope,
        epoch=sign_in.user_epoch,
        jkt=server.proof_jkt,
        jti=secrets.token_urlsafe(12),
        now=server.now,
    )
    body = {
        "access_token": access_token,
        "token_type": "DPoP" if server.proof_jkt else "Bearer",
        "expires_in": LIFETIME_S,
        "refresh_token": refresh_token.text,
        "scope": scope,
    }
    return 200, body, grant.TOKEN_RESPONSE_HEADER


def first_refresh_token(server: Any, sign_in: SignIn) -> OpaqueToken:
    """Make a sign-in's first refresh token."""
    token = mint("lhr")
    server.store.people.add_refresh_token(token, sign_in_id=sign_in.id, expires_at=sign_in.expires_at, now=server.now)
    return token


def new_sign_in_id() -> str:
    """Return an id for a sign-in."""
    return clock.new_id("sin")


def record(
    server: Any,
    user: UserStanding | None,
    action: str,
    object_id: str,
    detail: dict[str, Any],
    *,
    result: str = "done",
) -> None:
    """Add a line to the audit trail, under a person."""
    entry = AuditEntry(
        at=server.now,
        actor="unknown" if user is None else f"user:{user.name}",
        action=action,
        object=object_id,
        result=result,
        address=server.address,
        detail=detail,
    )
    server.store.audit(entry)
