"""``refresh_token`` (RFC 6749 section 6): a new access token and a new refresh token for one that was never used."""

from __future__ import annotations

from typing import cast

from leasehold_api.oauth.kept.people_store import PeopleStore, SignIn
from leasehold_api.oauth.kept.refreshing import RefreshToken, Use, judge_use
from leasehold_api.oauth.parts.authlib_parts import BaseGrant, TokenEndpointMixin
from leasehold_api.oauth.parts.client_authentication import NONE
from leasehold_api.oauth.parts.public_clients import REFRESH
from leasehold_api.oauth.parts.refusals import RefusalError
from leasehold_api.oauth.parts.scopes import narrowed
from leasehold_api.oauth.people import sign_ins
from leasehold_api.opaque_tokens import mint, parse


class RefreshGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]  # Authlib has no type information
    """Rotates refresh tokens; one that comes a second time ends the sign-in."""

    GRANT_TYPE = REFRESH
    TOKEN_ENDPOINT_AUTH_METHODS = (NONE,)

    def validate_token_request(self) -> None:
        """Find the sign-in, and check that it still stands."""
        self.request.client = self.authenticate_token_endpoint_client()
        if not self.request.client.check_grant_type(self.GRANT_TYPE):
            raise RefusalError("unauthorized_client", "this client may not use refresh tokens")
        token, sign_in = self._shown()
        if sign_in.client_id != self.request.client.get_client_id():
            raise _refused("the refresh token was given to another client")
        if sign_in.ended_because is not None:
            raise _refused(f"this sign-in was ended ({sign_in.ended_because}): sign in again")
        if sign_in.jkt is not None and sign_in.jkt != self.server.proof_jkt:
            raise RefusalError("invalid_dpop_proof", "the refresh token is bound to a key: send a DPoP proof by it")
        match judge_use(token, now=self.server.now):
            case Use.EXPIRED:
                raise _refused("the refresh token was not used for 30 days and has expired: sign in again")
            case Use.STOLEN:
                sign_ins.end(
                    self.server,
                    sign_in,
                    because="a refresh token was used twice",
                    action="oauth.refresh_token_reused",
                    result="alarm",
                )
                raise _refused("the refresh token was used before: somebody may have a copy; sign in again")
            case Use.FIRST | Use.AGAIN:
                sign_ins.person_of(self._people, sign_in.user_id, epoch=sign_in.user_epoch)
        self.request.refresh_token = (token, sign_in)

    def create_token_response(self) -> sign_ins.TokenAnswer:
        """Return new tokens; the one that was shown is used now."""
        token, sign_in = cast("tuple[RefreshToken, SignIn]", self.request.refresh_token)
        scope = narrowed(sign_in.scope, self.request.payload.scope)
        if scope is None:
            raise RefusalError("invalid_scope", f"a refresh gets at most the scope of its sign-in: {sign_in.scope}")
        now, expires_at, successor = self.server.now, self.server.now + sign_ins.REFRESH_LIFETIME_S, mint("lhr")
        self._people.add_refresh_token(successor, sign_in_id=sign_in.id, expires_at=expires_at, now=now)
        self._people.use_refresh_token(token, successor_id=successor.id, now=now)
        # RFC 9449 section 5: a public client that proves a key gets refresh tokens that are bound to it.
        jkt = sign_in.jkt or self.server.proof_jkt
        self._people.renew_sign_in(sign_in.id, expires_at=expires_at, jkt=jkt, now=now)
        return sign_ins.answer(self, sign_in, scope=scope, refresh_token=successor)

    @property
    def _people(self) -> PeopleStore:
        return cast("PeopleStore", self.server.store.people)

    def _shown(self) -> tuple[RefreshToken, SignIn]:
        text = self.request.payload.data.get("refresh_token", "")
        if not text:
            raise RefusalError("invalid_request", "refresh_token is missing")
        shown = parse(text, "lhr")
        found = None if shown is None else self._people.refresh_token(shown.id)
        if shown is None or found is None or not shown.has_digest(found.secret_sha256):
            raise _refused("the refresh token is not known here: sign in again")
        sign_in = self._people.sign_in(found.sign_in_id)
        # Read once more: the sign-in is held now, and while we waited for it somebody may have used the token.
        found = self._people.refresh_token(shown.id)
        if sign_in is None or found is None:
            raise _refused("the refresh token is not known here: sign in again")
        return found, sign_in


def _refused(description: str) -> RefusalError:
    return RefusalError("invalid_grant", description)
