"""Enrolment tokens and API tokens. A secret is in exactly one answer, the one that issues it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from leasehold_api.callers import TeamCaller
from leasehold_api.http.access import in_team
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.http.slices import Part, done_by, team_of
from leasehold_api.opaque_tokens import mint
from leasehold_protocol.v1.fleet import (
    ApiTokenList,
    ApiTokenRequest,
    EnrolmentToken,
    EnrolmentTokenList,
    EnrolmentTokenRequest,
    IssuedApiToken,
    IssuedEnrolmentToken,
    KeyRegistrationRequest,
    Role,
)
from leasehold_protocol.v1.message import Identifier, Name

router = APIRouter(prefix="/v1/teams/{team}", tags=["tokens"])

Operator = Annotated[TeamCaller, Depends(in_team(Role.OPERATOR))]
Admin = Annotated[TeamCaller, Depends(in_team(Role.ADMIN))]
TokenId = Annotated[Identifier, Path()]

_NO_STORE = {"Cache-Control": "no-store"}


@router.post("/sites/{site}/enrolment-tokens", response_model=IssuedEnrolmentToken, status_code=201)
async def issue_enrolment_token(
    request: Request, caller: Operator, site: Annotated[Name, Path()], body: EnrolmentTokenRequest
) -> Response:
    """Issue a token that enrols one agent at the site, once."""
    token = mint("enr")
    issued = await house(request).registry.enrolment_tokens.issue(
        team_of(caller), site, body, token=token, by=done_by(caller)
    )
    return answer(IssuedEnrolmentToken(**issued.model_dump(), token=token.text), status=201, headers=_NO_STORE)


@router.post("/sites/{site}/preregistrations", response_model=EnrolmentToken, status_code=201)
async def preregister_key(
    request: Request, caller: Operator, site: Annotated[Name, Path()], body: KeyRegistrationRequest
) -> Response:
    """Let in the agent that has a key, once, without a token. Listed and revoked like enrolment tokens."""
    registered = await house(request).registry.enrolment_tokens.preregister(
        team_of(caller), site, body, token_id=mint("enr").id, by=done_by(caller)
    )
    return answer(registered, status=201)


@router.get("/enrolment-tokens", response_model=EnrolmentTokenList)
async def list_enrolment_tokens(request: Request, caller: Operator, part: Part) -> Response:
    """List the team's enrolment tokens, used ones too."""
    return answer(await house(request).registry.enrolment_tokens.list(team_of(caller), part))


@router.delete("/enrolment-tokens/{token}", status_code=204)
async def revoke_enrolment_token(request: Request, caller: Operator, token: TokenId) -> Response:
    """End an enrolment token that was not used."""
    await house(request).registry.enrolment_tokens.revoke(team_of(caller), token, by=done_by(caller))
    return Response(status_code=204)


@router.post("/api-tokens", response_model=IssuedApiToken, status_code=201)
async def issue_api_token(request: Request, caller: Admin, body: ApiTokenRequest) -> Response:
    """Issue an API token for a person or program."""
    token = mint("lht")
    issued = await house(request).registry.api_tokens.issue(team_of(caller), body, token=token, by=done_by(caller))
    return answer(IssuedApiToken(**issued.model_dump(), token=token.text), status=201, headers=_NO_STORE)


@router.get("/api-tokens", response_model=ApiTokenList)
async def list_api_tokens(request: Request, caller: Admin, part: Part) -> Response:
    """List the team's API tokens."""
    return answer(await house(request).registry.api_tokens.list(team_of(caller), part))


@router.delete("/api-tokens/{token}", status_code=204)
async def revoke_api_token(request: Request, caller: Admin, token: TokenId) -> Response:
    """End an API token at once."""
    await house(request).registry.api_tokens.revoke(team_of(caller), token, by=done_by(caller))
    return Response(status_code=204)
