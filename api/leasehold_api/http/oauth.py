"""``/.well-known/oauth-authorization-server`` and ``/oauth/*``. Errors are of the form of RFC 6749, not problems."""

from __future__ import annotations

import json
import math
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from leasehold_api import clock
from leasehold_api.http.handing_nonces import hand_out_nonce
from leasehold_api.http.house import house
from leasehold_api.http.refusals import address_of as _address
from leasehold_api.oauth.assertions import claimed_agent
from leasehold_api.oauth.keys import JWKS_MAX_AGE_S
from leasehold_api.oauth.metadata import metadata, openid_configuration
from leasehold_api.oauth.proofs import NonceWantedError, Proof, ProofError
from leasehold_api.oauth.refusals import RefusalError
from leasehold_api.oauth.registration import Enrolment
from leasehold_api.oauth.server import OauthAnswer
from leasehold_api.opaque_tokens import OpaqueToken, parse
from leasehold_protocol.v1.agents import AgentRegistration, RegisteredAgent

router = APIRouter(tags=["oauth"])

LARGEST_BODY = 64 * 1024
USE_NONCE = "use_dpop_nonce"

_TOKEN_FORM = {
    "type": "object",
    "required": ["grant_type", "client_assertion_type", "client_assertion"],
    "properties": {
        name: {"type": "string"}
        for name in (
            "grant_type",
            "client_assertion_type",
            "client_assertion",
            "resource",
            "subject_token",
            "subject_token_type",
        )
    },
}


def _takes(media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Describe a body that is read here and not by FastAPI, for errors as RFC 6749 has them."""
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


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


@router.get("/oauth/jwks.json")
async def read_jwks(request: Request) -> JSONResponse:
    """Return the public signing keys (RFC 7517)."""
    headers = {"Cache-Control": f"public, max-age={JWKS_MAX_AGE_S}"}
    return JSONResponse(house(request).signing_keys.jwks(), headers=headers, media_type="application/jwk-set+json")


@router.post(
    "/oauth/register",
    status_code=201,
    response_model=RegisteredAgent,
    openapi_extra=_takes("application/json", AgentRegistration.model_json_schema()),
)
async def register(request: Request) -> JSONResponse:
    """Enrol an agent (RFC 7591) with a one-time token, or by a key that is known here beforehand."""
    now = clock.now()
    hand_out_nonce(request, house(request).nonces)
    if wait_s := house(request).enrolment_rates.wait_s(_address(request) or "", now=now):
        return _too_many(wait_s)
    try:
        token = _enrolment_token(request)
        proof = _proof(request, now=now, access_token=token.text if token else None)
        enrolment = Enrolment(
            token=token,
            jkt=proof.jkt,
            metadata=await _json_object(request),
            agent_id=clock.new_id("agt"),
            address=_address(request),
            now=now,
        )
    except RefusalError as refusal:
        return await _recorded(request, _refused(refusal), "enrolment.refused")
    answer = await house(request).authority.register(enrolment)
    return await _recorded(request, answer, "enrolment.refused", token.id if token else proof.jkt)


@router.post("/oauth/token", openapi_extra=_takes("application/x-www-form-urlencoded", _TOKEN_FORM))
async def token(request: Request) -> JSONResponse:
    """Issue an access token to an agent, or a task token for a lease (RFC 6749, RFC 7523, RFC 8693, RFC 9449)."""
    now = clock.now()
    hand_out_nonce(request, house(request).nonces)
    try:
        form = await _form(request)
        proof = _proof(request, now=now, access_token=None)
    except RefusalError as refusal:
        return await _recorded(request, _refused(refusal), "token.refused")
    answer = await house(request).authority.token(form, jkt=proof.jkt, address=_address(request), now=now)
    return await _recorded(request, answer, "token.refused", claimed_agent(form.get("client_assertion", "")))


def _enrolment_token(request: Request) -> OpaqueToken | None:
    """Return the token that lets in; none when the proof of a key alone shall do it."""
    if "authorization" not in request.headers and "dpop" in request.headers:
        return None
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    found = parse(text.strip(), "enr") if scheme.lower() == "bearer" else None
    if found is None:
        raise RefusalError(
            "invalid_token",
            "send 'Authorization: Bearer enr_...' with an enrolment token; check that it was copied whole",
            status=401,
        )
    return found


def _proof(request: Request, *, now: float, access_token: str | None) -> Proof:
    try:
        return house(request).authentication.proof(request, access_token=access_token, now=now, needs_nonce=True)
    except NonceWantedError as error:
        raise RefusalError(USE_NONCE, str(error)) from error
    except ProofError as error:
        raise RefusalError("invalid_dpop_proof", str(error)) from error


async def _body(request: Request, media_type: str) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != media_type:
        raise RefusalError("invalid_request", f"send the body as {media_type}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise RefusalError("invalid_request", f"the body is larger than {LARGEST_BODY} bytes", status=413)
    return bytes(body)


async def _json_object(request: Request) -> dict[str, Any]:
    try:
        value: object = json.loads(await _body(request, "application/json"))
    except (ValueError, RecursionError) as error:
        raise RefusalError("invalid_client_metadata", "the body is not JSON") from error
    if not isinstance(value, dict):
        raise RefusalError("invalid_client_metadata", "the body must be a JSON object")
    return cast("dict[str, Any]", value)


async def _form(request: Request) -> dict[str, str]:
    try:
        text = (await _body(request, "application/x-www-form-urlencoded")).decode()
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError as error:
        raise RefusalError("invalid_request", "the body is not a form") from error
    form = dict(pairs)
    if len(form) != len(pairs):
        raise RefusalError("invalid_request", "a parameter is in the form twice")
    return form


def _answer(answer: OauthAnswer) -> JSONResponse:
    return JSONResponse(
        answer.body,
        status_code=answer.status,
        headers={"Cache-Control": "no-store", "Pragma": "no-cache", **_challenge(answer.status, answer.body)},
    )


def _refused(refusal: RefusalError) -> OauthAnswer:
    return OauthAnswer(status=refusal.status_code, body=dict(refusal.get_body()), headers={})


async def _recorded(request: Request, answer: OauthAnswer, action: str, claimed: str | None = None) -> JSONResponse:
    """Return the response; a refusal is in the audit trail by then, under the token or agent that it was for."""
    # Being handed a nonce is the first half of the request, not a refusal.
    if answer.status >= HTTPStatus.BAD_REQUEST and answer.body.get("error") != USE_NONCE:
        because = str(answer.body.get("error_description", answer.body.get("error")))
        refusals = house(request).refusals
        await refusals.of_stranger(action, claimed or "unknown", address=_address(request), because=because)
    return _answer(answer)


def _challenge(status: int, body: dict[str, Any]) -> dict[str, str]:
    return {"WWW-Authenticate": f'Bearer error="{body.get("error")}"'} if status == 401 else {}


def _too_many(wait_s: float) -> JSONResponse:
    body = {
        "error": "temporarily_unavailable",
        "error_description": f"too many enrolments from this address: try again in {math.ceil(wait_s)} s",
    }
    return JSONResponse(body, status_code=429, headers={"Retry-After": str(math.ceil(wait_s))})
