"""A device asks to be let in by a person (RFC 8628 section 3.1)."""

from __future__ import annotations

from typing import Any, cast

from leasehold_api.oauth.kept.people_store import DeviceRequest
from leasehold_api.oauth.parts.client_authentication import NONE
from leasehold_api.oauth.parts.public_clients import AGENT, DEVICE
from leasehold_api.oauth.parts.refusals import RefusalError
from leasehold_api.oauth.parts.scopes import ENROL, SCOPES, unknown_in
from leasehold_api.oauth.parts.user_codes import new_user_code, shown
from leasehold_api.opaque_tokens import mint

DEVICE_LIFETIME_S = 600
INTERVAL_S = 5
_TRIES = 5
_LONGEST_NAME = 128

Answer = tuple[int, dict[str, Any], list[tuple[str, str]]]


class DeviceAuthorization:
    """The device authorization endpoint, called by Authlib's server."""

    ENDPOINT_NAME = "device_authorization"

    def __init__(self, server: Any) -> None:
        self.server = server

    def create_endpoint_request(self, request: Any) -> Any:
        """Return the request: it comes in Authlib's form already."""
        return request

    def __call__(self, request: Any) -> Answer:
        """Keep the request, and return the codes."""
        client = self.server.authenticate_client(request, (NONE,), self.ENDPOINT_NAME)
        if not client.check_grant_type(DEVICE):
            raise RefusalError("unauthorized_client", "this client may not ask to be let in by a code")
        form = cast("dict[str, str]", request.form)
        is_agent = client.get_client_id() == AGENT.id
        scope = _scope_of(form.get("scope", "").strip(), is_agent=is_agent)
        if is_agent and self.server.proof_jkt is None:
            raise RefusalError("invalid_dpop_proof", "an agent proves its key here: send a DPoP header (RFC 9449)")
        device_code, user_code = self._keep(client.get_client_id(), scope, form.get("client_name"))
        page = f"{self.server.issuer}/device"
        body = {
            "device_code": device_code,
            "user_code": shown(user_code),
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={shown(user_code)}",
            "expires_in": DEVICE_LIFETIME_S,
            "interval": INTERVAL_S,
        }
        return 200, body, [("Content-Type", "application/json")]

    def _keep(self, client_id: str, scope: str, name: str | None) -> tuple[str, str]:
        for _ in range(_TRIES):
            code = mint("lhd")
            device = DeviceRequest(
                sha256=code.sha256,
                user_code=new_user_code(),
                client_id=client_id,
                scope=scope,
                jkt=self.server.proof_jkt,
                name=_printable(name),
                address=self.server.address,
                created_at=self.server.now,
                expires_at=self.server.now + DEVICE_LIFETIME_S,
                interval_s=INTERVAL_S,
            )
            # Another device may have the same user code: 20^8 of them are many, but not endless.
            if self.server.store.people.add_device(device):
                return code.text, device.user_code
        raise RefusalError("temporarily_unavailable", "no code is free: try again", status=503)


def _scope_of(scope: str, *, is_agent: bool) -> str:
    if is_agent:
        if scope not in {"", ENROL}:
            raise RefusalError("invalid_scope", f"an agent can ask for the scope {ENROL} only")
        return ENROL
    if unknown := unknown_in(scope):
        raise RefusalError("invalid_scope", f"there is no scope {unknown[0]}; there are: {' '.join(SCOPES)}")
    return scope


def _printable(name: str | None) -> str | None:
    """Return a name as it can be shown to people: it comes from whoever asks."""
    kept = "".join(character for character in name or "" if character.isprintable())[:_LONGEST_NAME].strip()
    return kept or None
