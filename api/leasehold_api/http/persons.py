"""People and programs by what they show: an API token, or an access token as bearer or with a proof of its key.

How they stand is read from the database on every request: a lock, the end of a sign-in or of one token works at once.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request

from leasehold_api import clock
from leasehold_api.callers import Membership, PersonCaller, PersonKind
from leasehold_api.errors import UnauthenticatedError
from leasehold_api.fleet.standing import Callers
from leasehold_api.http.credentials import credential
from leasehold_api.oauth.parts.scopes import allows_platform, under
from leasehold_api.oauth.tokens.keys import SignatureError
from leasehold_api.oauth.tokens.people_tokens import PeopleTokens, PersonClaims
from leasehold_api.opaque_tokens import OpaqueToken, parse
from leasehold_protocol.v1.problems import ProblemCode

USE_NOTED_EVERY_S = 60.0
_CHALLENGE = {"WWW-Authenticate": "Bearer"}

CheckProof = Callable[..., None]
"""``Authentication``'s check of a request's proof: (request, token, jkt=, now=)."""


class Persons:
    """Finds out which person or program calls."""

    def __init__(self, callers: Callers, people_tokens: PeopleTokens, *, check_proof: CheckProof) -> None:
        self._callers = callers
        self._people_tokens = people_tokens
        self._check_proof = check_proof

    async def person(self, request: Request) -> PersonCaller:
        """Return the person or program that calls.

        Raises:
            UnauthenticatedError: if nothing valid is shown.
        """
        scheme, text = credential(request)
        api_token = parse(text, "lht") if scheme == "bearer" else None
        if api_token is not None:
            person = await self._by_api_token(request, api_token)
        else:
            person = await self._by_access_token(request, scheme, text)
        # For the audit trail: whom a refusal further in was told.
        request.state.person = person
        return person

    async def _by_api_token(self, request: Request, shown: OpaqueToken) -> PersonCaller:
        now = clock.now()
        request.state.shown_token = shown.id
        stored = await self._callers.api_token(shown.id)
        if stored is None or not shown.has_digest(stored.sha256):
            raise _nobody("the API token is not known here: check that it was copied whole and is for this server")
        if stored.revoked_at is not None:
            raise _nobody("the API token was revoked: ask an admin of the team for a new one")
        if stored.expires_at is not None and now >= stored.expires_at:
            raise _nobody(
                "the API token has expired: ask an admin of the team for a new one", ProblemCode.TOKEN_EXPIRED
            )
        if stored.last_used_at is None or now - stored.last_used_at >= USE_NOTED_EVERY_S:
            await self._callers.api_token_used(stored.id, now=now)
        return PersonCaller(
            kind=PersonKind.API_TOKEN,
            id=stored.id,
            name=stored.name,
            is_platform_admin=stored.membership is None,
            memberships={} if stored.membership is None else {stored.membership.team: stored.membership},
            expires_at=stored.expires_at,
            address=_address(request),
        )

    async def _by_access_token(self, request: Request, scheme: str, text: str) -> PersonCaller:
        now = clock.now()
        if scheme not in {"bearer", "dpop"} or not text:
            raise _nobody("send 'Authorization: Bearer …' with an API token (lht_…) or an access token")
        try:
            claims = self._people_tokens.claims_of(text)
        except SignatureError as error:
            raise _nobody(
                f"this is neither an API token (lht_…) nor an access token for people: {error}; sign in again"
            ) from error
        if claims.jkt is not None:
            if scheme != "dpop":
                raise UnauthenticatedError(
                    "the token is bound to a key: send 'Authorization: DPoP <token>' with a DPoP proof (RFC 9449)",
                    code=ProblemCode.DPOP_REQUIRED,
                    headers={"WWW-Authenticate": 'DPoP algs="ES256"'},
                )
            self._check_proof(request, text, jkt=claims.jkt, now=now)
        elif scheme != "bearer":
            raise _nobody("the token is not bound to a key: send 'Authorization: Bearer <token>'")
        if now >= claims.expires_at:
            raise _nobody("the access token has expired: refresh it, or sign in again", ProblemCode.TOKEN_EXPIRED)
        request.state.shown_token = claims.subject
        if claims.sign_in_id is None:
            return await self._service_client(request, claims, now=now)
        return await self._user(request, claims, claims.sign_in_id)

    async def _user(self, request: Request, claims: PersonClaims, sign_in_id: str) -> PersonCaller:
        standing = await self._callers.signed_in(sign_in_id, jti=claims.jti)
        if standing is None or standing.user.id != claims.subject or standing.is_token_revoked:
            raise _nobody("this sign-in was ended: sign in again")
        user = standing.user
        if user.locked_because is not None:
            raise _nobody(f"the account {user.name} is locked: {user.locked_because}. Ask a platform admin")
        if standing.ended_because is not None or user.token_epoch != claims.epoch:
            raise _nobody(f"this sign-in was ended ({standing.ended_because or 'all of them were'}): sign in again")
        return PersonCaller(
            kind=PersonKind.USER,
            id=user.id,
            name=user.name,
            is_platform_admin=user.is_platform_admin and allows_platform(claims.scope),
            memberships=under(claims.scope, user.memberships),
            expires_at=standing.expires_at,
            address=_address(request),
        )

    async def _service_client(self, request: Request, claims: PersonClaims, *, now: float) -> PersonCaller:
        client = await self._callers.service_client(claims.subject, jti=claims.jti)
        if client is None or client.token_epoch != claims.epoch or client.is_token_revoked:
            raise _nobody("this access token was ended: get a new one at /oauth/token")
        if client.locked_because is not None:
            raise _nobody(
                f"service client {client.name} is locked: {client.locked_because}. An admin of the team can unlock it"
            )
        if client.expires_at is not None and now >= client.expires_at:
            raise _nobody(f"service client {client.name} has expired: ask an admin of the team for a new one")
        home: Membership = client.membership
        return PersonCaller(
            kind=PersonKind.CLIENT,
            id=client.id,
            name=client.name,
            is_platform_admin=False,
            memberships=under(claims.scope, {home.team: home}),
            expires_at=client.expires_at,
            address=_address(request),
        )


def _address(request: Request) -> str | None:
    return request.client.host if request.client else None


def _nobody(detail: str, code: ProblemCode | None = None) -> UnauthenticatedError:
    return UnauthenticatedError(detail, code=code, headers=_CHALLENGE)
