"""``/oauth/token`` and its neighbours: tokens are given, asked about and ended, devices ask to be let in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from leasehold_api import clock
from leasehold_api.http.handing_nonces import hand_out_nonce
from leasehold_api.http.house import house
from leasehold_api.http.oauth.requests import posted, recorded, refused, takes_form, too_many
from leasehold_api.http.refusals import address_of
from leasehold_api.oauth.parts.refusals import RefusalError
from leasehold_api.oauth.programs.assertions import claimed_client
from leasehold_api.oauth.server import OauthAnswer, Posted

router = APIRouter(tags=["oauth"])

_CLIENT = ("client_id", "client_secret", "client_assertion_type", "client_assertion")
_TOKEN = (
    *("code", "redirect_uri", "code_verifier", "refresh_token", "device_code", "scope"),
    *("resource", "subject_token", "subject_token_type"),
)


@router.post("/oauth/token", openapi_extra=takes_form("grant_type", also=(*_CLIENT, *_TOKEN)))
async def token(request: Request) -> JSONResponse:
    """Give tokens (RFC 6749, 7523, 7636, 8628, 8693, 9449) to people's applications, service clients and agents."""
    return await _answered(request, house(request).authority.token, "token.refused")


@router.post("/oauth/device_authorization", openapi_extra=takes_form("client_id", also=("scope", "client_name")))
async def device_authorization(request: Request) -> JSONResponse:
    """Begin to be let in by a person who reads a code (RFC 8628)."""
    if wait_s := house(request).device_rates.wait_s(address_of(request) or "", now=clock.now()):
        return too_many(wait_s, "requests")
    return await _answered(request, house(request).authority.device_authorization, "device.refused")


@router.post("/oauth/revoke", openapi_extra=takes_form("token", also=("token_type_hint", *_CLIENT)))
async def revoke(request: Request) -> JSONResponse:
    """End a token (RFC 7009); 200 also when it is none."""
    return await _answered(request, house(request).authority.revoke, "revocation.refused")


@router.post("/oauth/introspect", openapi_extra=takes_form("token", also=("token_type_hint", *_CLIENT)))
async def introspect(request: Request) -> JSONResponse:
    """Tell a service client or an agent about a token of its team (RFC 7662)."""
    return await _answered(request, house(request).authority.introspect, "introspection.refused")


async def _answered(
    request: Request, endpoint: Callable[[Posted], Awaitable[OauthAnswer]], action: str
) -> JSONResponse:
    hand_out_nonce(request, house(request).nonces)
    try:
        found = await posted(request, now=clock.now())
    except RefusalError as refusal:
        return await recorded(request, refused(refusal), action)
    answer = await endpoint(found)
    return await recorded(request, answer, action, _claimed(found))


def _claimed(found: Posted) -> str | None:
    """Return whom the request is about, unproved: for the audit trail."""
    client_id = found.form.get("client_id", "")
    return (
        claimed_client(found.form.get("client_assertion", ""))
        or (client_id if client_id.isascii() and client_id.isprintable() and len(client_id) <= 64 else None)
        or None
    )
