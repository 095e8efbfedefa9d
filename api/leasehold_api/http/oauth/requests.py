"""Requests to the OAuth endpoints, and answers: errors are of the form of RFC 6749, not problems."""

from __future__ import annotations

import json
import math
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.responses import JSONResponse

from leasehold_api.http.house import house
from leasehold_api.http.refusals import address_of as _address
from leasehold_api.oauth.parts.refusals import RefusalError
from leasehold_api.oauth.possession.proofs import NonceWantedError, Proof, ProofError
from leasehold_api.oauth.server import OauthAnswer, Posted

LARGEST_BODY = 64 * 1024
USE_NONCE = "use_dpop_nonce"
_NO_REFUSALS = frozenset({USE_NONCE, "authorization_pending", "slow_down"})
"""Being handed a nonce is the first half of a request, and a device that waits asks every few seconds."""


def takes(media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Describe a body that is read here and not by FastAPI, for errors as RFC 6749 has them."""
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


def takes_form(*needed: str, also: tuple[str, ...] = ()) -> dict[str, Any]:
    """Describe a form."""
    properties = {name: {"type": "string"} for name in (*needed, *also)}
    schema = {"type": "object", "required": list(needed), "properties": properties}
    return takes("application/x-www-form-urlencoded", schema)


async def posted(request: Request, *, now: float) -> Posted:
    """Return the form that was posted, and the key that was proved with it, if any.

    Raises:
        RefusalError: if it is no form, or its proof does not hold.
    """
    form = await form_of(request)
    proof = proof_of(request, now=now) if "dpop" in request.headers else None
    authorization = request.headers.getlist("authorization")
    if len(authorization) > 1:
        raise RefusalError("invalid_request", "there are two Authorization headers")
    return Posted(
        form=form,
        headers={"authorization": authorization[0]} if authorization else {},
        jkt=None if proof is None else proof.jkt,
        address=_address(request),
        now=now,
    )


def proof_of(request: Request, *, now: float, access_token: str | None = None) -> Proof:
    """Return the request's DPoP proof; it must have a nonce of ours.

    Raises:
        RefusalError: if there is none, or it does not hold.
    """
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


async def json_object(request: Request) -> dict[str, Any]:
    """Return the body, a JSON object.

    Raises:
        RefusalError: if it is none.
    """
    try:
        value: object = json.loads(await _body(request, "application/json"))
    except (ValueError, RecursionError) as error:
        raise RefusalError("invalid_client_metadata", "the body is not JSON") from error
    if not isinstance(value, dict):
        raise RefusalError("invalid_client_metadata", "the body must be a JSON object")
    return cast("dict[str, Any]", value)


async def form_of(request: Request) -> dict[str, str]:
    """Return the form that was posted, each field once; empty ones are as if left out (RFC 6749 section 3.2).

    Raises:
        RefusalError: if it is none, or has a field twice.
    """
    try:
        text = (await _body(request, "application/x-www-form-urlencoded")).decode()
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError as error:
        raise RefusalError("invalid_request", "the body is not a form") from error
    form = dict(pairs)
    if len(form) != len(pairs):
        raise RefusalError("invalid_request", "a parameter is in the form twice")
    return {name: value for name, value in form.items() if value}


def _answer(answer: OauthAnswer) -> JSONResponse:
    return JSONResponse(
        answer.body,
        status_code=answer.status,
        headers={"Cache-Control": "no-store", "Pragma": "no-cache", **_challenge(answer.status, answer.body)},
    )


def refused(refusal: RefusalError) -> OauthAnswer:
    """Return a refusal as an answer."""
    return OauthAnswer(status=refusal.status_code, body=dict(refusal.get_body()), headers={})


async def recorded(request: Request, answer: OauthAnswer, action: str, claimed: str | None = None) -> JSONResponse:
    """Return the response; a refusal is in the audit trail by then, under the token or agent that it was for."""
    if answer.status >= HTTPStatus.BAD_REQUEST and answer.body.get("error") not in _NO_REFUSALS:
        because = str(answer.body.get("error_description", answer.body.get("error")))
        refusals = house(request).refusals
        await refusals.of_stranger(action, claimed or "unknown", address=_address(request), because=because)
    return _answer(answer)


def _challenge(status: int, body: dict[str, Any]) -> dict[str, str]:
    if status != HTTPStatus.UNAUTHORIZED:
        return {}
    error = body.get("error")
    return {"WWW-Authenticate": 'Basic realm="leasehold"' if error == "invalid_client" else f'Bearer error="{error}"'}


def too_many(wait_s: float, what: str) -> JSONResponse:
    """Return the answer to an address that asks too often."""
    body = {
        "error": "temporarily_unavailable",
        "error_description": f"too many {what} from this address: try again in {math.ceil(wait_s)} s",
    }
    return JSONResponse(body, status_code=429, headers={"Retry-After": str(math.ceil(wait_s))})
