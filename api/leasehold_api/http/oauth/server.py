"""What the authorization server says about itself, and how agents register at it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from leasehold_api import clock
from leasehold_api.http.credentials import credential
from leasehold_api.http.handing_nonces import hand_out_nonce
from leasehold_api.http.house import house
from leasehold_api.http.oauth.requests import json_object, proof_of, recorded, refused, takes, too_many
from leasehold_api.http.refusals import address_of as _address
from leasehold_api.oauth.metadata import metadata, openid_configuration
from leasehold_api.oauth.parts.refusals import RefusalError
from leasehold_api.oauth.programs.registration import Enrolment
from leasehold_api.oauth.tokens.keys import JWKS_MAX_AGE_S
from leasehold_api.opaque_tokens import OpaqueToken, parse
from leasehold_protocol.v1.agents import AgentRegistration, RegisteredAgent

router = APIRouter(tags=["oauth"])


@router.get("/.well-known/oauth-authorization-server")
async def read_metadata(request: Request) -> JSONResponse:
    """Describe the authorization server (RFC 8414)."""
    headers = {"Cache-Control": f"public, max-age={JWKS_MAX_AGE_S}"}
    return JSONResponse(metadata(house(request).authority.issuer), headers=headers)


@router.get("/.well-known/openid-configuration")
async def read_openid_configuration(request: Request) -> JSONResponse:
    """Describe the issuer of tasks' identity tokens (OpenID Connect Discovery 1.0)."""
    headers = {"Cache-Control": f"public, max-age={JWKS_MAX_AGE_S}"}
    return JSONResponse(openid_configuration(house(request).authority.issuer), headers=headers)


class _Jwks(JSONResponse):
    """A key set, by the name that RFC 7517, section 8.5.2, gives it."""

    media_type = "application/jwk-set+json"


@router.get("/oauth/jwks.json", response_class=_Jwks)
async def read_jwks(request: Request) -> _Jwks:
    """Return the public signing keys (RFC 7517)."""
    headers = {"Cache-Control": f"public, max-age={JWKS_MAX_AGE_S}"}
    return _Jwks(house(request).signing_keys.jwks(), headers=headers)


@router.post(
    "/oauth/register",
    status_code=201,
    response_model=RegisteredAgent,
    openapi_extra=takes("application/json", AgentRegistration.model_json_schema()),
)
async def register(request: Request) -> JSONResponse:
    """Enrol an agent (RFC 7591) with a one-time token, or by a key that is known here beforehand."""
    now = clock.now()
    hand_out_nonce(request, house(request).nonces)
    if wait_s := house(request).enrolment_rates.wait_s(_address(request) or "", now=now):
        return too_many(wait_s, "enrolments")
    try:
        token = _enrolment_token(request)
        proof = proof_of(request, now=now, access_token=token.text if token else None)
        enrolment = Enrolment(
            token=token,
            jkt=proof.jkt,
            metadata=await json_object(request),
            agent_id=clock.new_id("agt"),
            address=_address(request),
            now=now,
        )
    except RefusalError as refusal:
        return await recorded(request, refused(refusal), "enrolment.refused")
    answer = await house(request).authority.register(enrolment)
    return await recorded(request, answer, "enrolment.refused", token.id if token else proof.jkt)


def _enrolment_token(request: Request) -> OpaqueToken | None:
    """Return the token that lets in; none when the proof of a key alone shall do it."""
    if "authorization" not in request.headers and "dpop" in request.headers:
        return None
    scheme, text = credential(request)
    found = parse(text, "enr") if scheme == "bearer" else None
    if found is None:
        raise RefusalError(
            "invalid_token",
            "send 'Authorization: Bearer enr_...' with an enrolment token; check that it was copied whole",
            status=401,
        )
    return found
