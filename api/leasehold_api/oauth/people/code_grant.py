"""The authorization code is redeemed (RFC 6749 section 4.1.3, RFC 7636, RFC 9449 section 10)."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import cast

from leasehold_api.oauth.kept.people_store import AuthorizationCode, PeopleStore
from leasehold_api.oauth.parts.authlib_parts import BaseGrant, TokenEndpointMixin, create_s256_code_challenge
from leasehold_api.oauth.parts.client_authentication import NONE
from leasehold_api.oauth.parts.public_clients import CODE
from leasehold_api.oauth.parts.refusals import RefusalError
from leasehold_api.oauth.people import sign_ins

CODE_LIFETIME_S = 60.0
_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}", re.ASCII)


class CodeGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]  # Authlib has no type information
    """``authorization_code``, each code once, only with the verifier of its challenge."""

    GRANT_TYPE = CODE
    TOKEN_ENDPOINT_AUTH_METHODS = (NONE,)

    def validate_token_request(self) -> None:
        """Check everything that the code is bound to; one that fits and was used ends what it gave."""
        self.request.client = self.authenticate_token_endpoint_client()
        if not self.request.client.check_grant_type(self.GRANT_TYPE):
            raise RefusalError("unauthorized_client", "this client may not use authorization codes")
        form = cast("dict[str, str]", self.request.payload.data)
        if not form.get("code") or not form.get("redirect_uri"):
            raise RefusalError("invalid_request", "code and redirect_uri are needed, as in the authorization request")
        code = self._people.code(hashlib.sha256(form["code"].encode()).hexdigest())
        if code is None or code.client_id != self.request.client.get_client_id():
            raise _refused("the code is not known here, or was given to another client")
        self._check_binding(code, form)
        if code.used_at is not None:
            self._refuse_second_use(code)
        if self.server.now >= code.expires_at:
            raise _refused("the code has expired: begin again")
        self.request.authorization_code = code

    def create_token_response(self) -> sign_ins.TokenAnswer:
        """Use the code up and begin a sign-in."""
        code = cast("AuthorizationCode", self.request.authorization_code)
        user = sign_ins.person_of(self._people, code.user_id, epoch=code.user_epoch)
        sign_in_id = sign_ins.new_sign_in_id()
        if not self._people.use_code(code.sha256, sign_in_id=sign_in_id, now=self.server.now):
            self._refuse_second_use(self._people.code(code.sha256) or code)
        sign_in = sign_ins.begin(
            self, user, client_id=code.client_id, scope=code.scope, sign_in_id=sign_in_id, how="code"
        )
        refresh_token = sign_ins.first_refresh_token(self.server, sign_in)
        return sign_ins.answer(self, sign_in, scope=code.scope, refresh_token=refresh_token)

    @property
    def _people(self) -> PeopleStore:
        return cast("PeopleStore", self.server.store.people)

    def _check_binding(self, code: AuthorizationCode, form: dict[str, str]) -> None:
        if form["redirect_uri"] != code.redirect_uri:
            raise _refused("redirect_uri is another than in the authorization request")
        verifier = form.get("code_verifier", "")
        if not _VERIFIER.fullmatch(verifier):
            raise RefusalError("invalid_request", "code_verifier is needed: 43 to 128 of A-Z a-z 0-9 - . _ ~")
        if not hmac.compare_digest(create_s256_code_challenge(verifier), code.challenge):
            raise _refused("code_verifier does not fit the code_challenge")
        if code.jkt is not None and code.jkt != self.server.proof_jkt:
            raise _refused("the code is bound to a key (dpop_jkt): send a DPoP proof by that key")

    def _refuse_second_use(self, code: AuthorizationCode) -> None:
        sign_in = None if code.sign_in_id is None else self._people.sign_in(code.sign_in_id)
        if sign_in is not None:
            sign_ins.end(
                self.server, sign_in, because="its code was used twice", action="oauth.code_reused", result="alarm"
            )
        raise _refused("the code was used before; what it gave was ended: begin again")


def _refused(description: str) -> RefusalError:
    return RefusalError("invalid_grant", description)
