"""Service clients. A secret is in exactly one answer, the one that makes it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from leasehold_api import clock
from leasehold_api.callers import TeamCaller
from leasehold_api.errors import InvalidRequestError
from leasehold_api.fleet.service_clients import NewServiceClient
from leasehold_api.http.access import in_team
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.http.slices import Part, done_by, team_of
from leasehold_api.oauth.programs.service_clients import UnusableKeyError, usable_key
from leasehold_api.opaque_tokens import mint
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.message import Identifier
from leasehold_protocol.v1.service_clients import (
    IssuedServiceClient,
    ServiceClient,
    ServiceClientList,
    ServiceClientLock,
    ServiceClientWrite,
)

router = APIRouter(prefix="/v1/teams/{team}/service-clients", tags=["service clients"])

Admin = Annotated[TeamCaller, Depends(in_team(Role.ADMIN))]
ClientId = Annotated[Identifier, Path()]

_NO_STORE = {"Cache-Control": "no-store"}


@router.get("", response_model=ServiceClientList)
async def list_service_clients(request: Request, caller: Admin, part: Part) -> Response:
    """List the team's service clients."""
    return answer(await house(request).registry.service_clients.list(team_of(caller), part))


@router.post("", response_model=IssuedServiceClient, status_code=201)
async def create_service_client(request: Request, caller: Admin, body: ServiceClientWrite) -> Response:
    """Make a program that signs in by itself, with a secret or with a key of its own."""
    by = done_by(caller)
    try:
        key = None if body.public_key is None else usable_key(body.public_key)
    except UnusableKeyError as error:
        raise InvalidRequestError(f"public_key: {error}") from error
    secret = mint("lhs") if key is None else None
    made = await house(request).registry.service_clients.create(
        team_of(caller),
        NewServiceClient(
            id=clock.new_id("svc"),
            name=body.name,
            role=body.role,
            secret_sha256=None if secret is None else secret.sha256,
            public_jwk=key,
            expires_at=None if body.expires_in_s is None else by.at + body.expires_in_s,
        ),
        by=by,
    )
    issued = IssuedServiceClient(**made.model_dump(), secret=None if secret is None else secret.text)
    return answer(issued, status=201, headers=_NO_STORE)


@router.post("/{client}/lock", response_model=ServiceClient)
async def lock_service_client(request: Request, caller: Admin, client: ClientId, body: ServiceClientLock) -> Response:
    """Keep a service client out, at once."""
    clients = house(request).registry.service_clients
    return answer(await clients.lock(team_of(caller), client, because=body.reason, by=done_by(caller)))


@router.post("/{client}/unlock", response_model=ServiceClient)
async def unlock_service_client(request: Request, caller: Admin, client: ClientId) -> Response:
    """Let a service client in again."""
    return answer(await house(request).registry.service_clients.unlock(team_of(caller), client, by=done_by(caller)))


@router.post("/{client}/secret", response_model=IssuedServiceClient)
async def rotate_secret(request: Request, caller: Admin, client: ClientId) -> Response:
    """Make a service client a new secret; the old one ends at once."""
    secret = mint("lhs")
    changed = await house(request).registry.service_clients.rotate(
        team_of(caller), client, secret_sha256=secret.sha256, by=done_by(caller)
    )
    return answer(IssuedServiceClient(**changed.model_dump(), secret=secret.text), headers=_NO_STORE)


@router.delete("/{client}", status_code=204)
async def remove_service_client(request: Request, caller: Admin, client: ClientId) -> Response:
    """Remove a service client with its access tokens."""
    await house(request).registry.service_clients.remove(team_of(caller), client, by=done_by(caller))
    return Response(status_code=204)
