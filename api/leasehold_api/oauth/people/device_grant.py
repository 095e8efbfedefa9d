"""A device asks whether it was let in (RFC 8628 section 3.4): to a person's sign-in, or as a new agent."""

from __future__ import annotations

import hashlib
from typing import cast

from leasehold_api.oauth.kept.people_store import DeviceRequest, DeviceState, PeopleStore
from leasehold_api.oauth.kept.store import NewEnrolment
from leasehold_api.oauth.parts.authlib_parts import BaseGrant, TokenEndpointMixin
from leasehold_api.oauth.parts.client_authentication import NONE
from leasehold_api.oauth.parts.public_clients import AGENT, DEVICE
from leasehold_api.oauth.parts.refusals import RefusalError
from leasehold_api.oauth.parts.scopes import ENROL
from leasehold_api.oauth.people import sign_ins
from leasehold_api.opaque_tokens import mint

ENROLMENT_LIFETIME_S = 600.0
SLOWER_S = 5


class DeviceGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]  # Authlib has no type information
    """``device_code``: of any number of polls at once, one gets the tokens."""

    GRANT_TYPE = DEVICE
    TOKEN_ENDPOINT_AUTH_METHODS = (NONE,)

    def validate_token_request(self) -> None:
        """Find the request, and say what became of it."""
        self.request.client = self.authenticate_token_endpoint_client()
        code = self.request.payload.data.get("device_code", "")
        if not code:
            raise RefusalError("invalid_request", "device_code is missing")
        device = self._people.device(hashlib.sha256(code.encode()).hexdigest())
        if device is None or device.client_id != self.request.client.get_client_id():
            raise RefusalError("invalid_grant", "the device code is not known here, or was given to another client")
        if device.jkt is not None and device.jkt != self.server.proof_jkt:
            raise RefusalError("invalid_dpop_proof", "the device code is bound to a key: send a DPoP proof by it")
        self._check_state(device)
        self.request.credential = device

    def create_token_response(self) -> sign_ins.TokenAnswer:
        """Use the approval up."""
        device = cast("DeviceRequest", self.request.credential)
        if device.user_id is None or device.user_epoch is None:
            raise _used()
        user = sign_ins.person_of(self._people, device.user_id, epoch=device.user_epoch)
        if not self._people.use_device(device.sha256, now=self.server.now):
            raise _used()
        if device.client_id == AGENT.id:
            return self._enrolment(device)
        sign_in = sign_ins.begin(
            self,
            user,
            client_id=device.client_id,
            scope=device.scope,
            sign_in_id=sign_ins.new_sign_in_id(),
            how="device",
        )
        refresh_token = sign_ins.first_refresh_token(self.server, sign_in)
        return sign_ins.answer(self, sign_in, scope=device.scope, refresh_token=refresh_token)

    @property
    def _people(self) -> PeopleStore:
        return cast("PeopleStore", self.server.store.people)

    def _check_state(self, device: DeviceRequest) -> None:
        now = self.server.now
        if device.state is DeviceState.USED:
            raise _used()
        if now >= device.expires_at:
            raise RefusalError("expired_token", "nobody let it in in time: begin again")
        if device.state is DeviceState.DENIED:
            raise RefusalError("access_denied", "it was not let in")
        if device.state is DeviceState.PENDING:
            is_early = device.polled_at is not None and now - device.polled_at < device.interval_s
            interval_s = device.interval_s + (SLOWER_S if is_early else 0)
            self._people.polled(device.sha256, interval_s=interval_s, now=now)
            if is_early:
                raise RefusalError("slow_down", f"ask every {interval_s} s, not more often")
            raise RefusalError("authorization_pending", "nobody has let it in yet: ask again")

    def _enrolment(self, device: DeviceRequest) -> sign_ins.TokenAnswer:
        people, now = self._people, self.server.now
        team_id = None if device.site_id is None else people.team_of_site(device.site_id)
        if device.site_id is None or team_id is None:
            raise RefusalError("invalid_grant", "the site that it was let in to is not there any more: begin again")
        token = mint("enr")
        self.server.store.issue_enrolment(
            NewEnrolment(
                id=token.id,
                secret_sha256=token.sha256,
                bound_jkt=device.jkt,
                site_id=device.site_id,
                team_id=team_id,
                created_by=device.decided_by or "unknown",
                created_at=now,
                expires_at=now + ENROLMENT_LIFETIME_S,
                note=f"let in by a person: {device.name or 'a device'}"[:200],
                address=self.server.address,
            )
        )
        body = {
            "access_token": token.text,
            "token_type": "DPoP",
            "expires_in": int(ENROLMENT_LIFETIME_S),
            "scope": ENROL,
        }
        return 200, body, self.TOKEN_RESPONSE_HEADER


def _used() -> RefusalError:
    return RefusalError("invalid_grant", "the device code was used before: begin again")
