"""``/v1/teams/{team}``: bundles and DAGs."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from leasehold_api import clock
from leasehold_api.callers import TeamCaller
from leasehold_api.dags.catalog import NewVersion
from leasehold_api.dags.scheduling import check_schedule
from leasehold_api.dags.schema import check_params_schema
from leasehold_api.dags.signatures import check_signature
from leasehold_api.errors import NotFoundError
from leasehold_api.http.access import in_team
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.http.slices import done_by
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.message import Name, Sha256
from leasehold_protocol.v1.runs import DagDetail, DagList, DagVersionList, Deploy, DeployedDag

router = APIRouter(prefix="/v1/teams/{team}", tags=["dags"])

Viewer = Annotated[TeamCaller, Depends(in_team(Role.VIEWER))]
Author = Annotated[TeamCaller, Depends(in_team(Role.AUTHOR))]


@router.head("/bundles/{sha256}")
async def has_bundle(request: Request, caller: Viewer, sha256: Annotated[Sha256, Path()]) -> Response:
    """Say whether the team has sent this bundle before: 200 or 404."""
    if not await house(request).dags.has_bundle(caller.team_id, sha256):
        raise NotFoundError("this bundle was not sent yet")
    return Response()


@router.put(
    "/bundles/{sha256}",
    status_code=204,
    openapi_extra={"requestBody": {"content": {"application/zip": {"schema": {"type": "string"}}}}},
)
async def put_bundle(request: Request, caller: Author, sha256: Annotated[Sha256, Path()]) -> Response:
    """Take a bundle; its name is the SHA-256 of its content."""
    services = house(request)
    blobs = services.blobs_of(caller.team_id)
    size = await blobs.put(sha256, request.stream(), most_bytes=services.settings.most_blob_bytes)
    await services.dags.add_bundle(caller.team_id, sha256, size=size, by=done_by(caller))
    return Response(status_code=204)


@router.get("/bundles/{sha256}", response_class=Response)
async def get_bundle(request: Request, caller: Author, sha256: Annotated[Sha256, Path()]) -> Response:
    """Return a bundle that the team has sent, for whoever compares theirs with it."""
    services = house(request)
    if not await services.dags.has_bundle(caller.team_id, sha256):
        raise NotFoundError("this bundle was not sent yet")
    return StreamingResponse(services.blobs_of(caller.team_id).open(sha256), media_type="application/zip")


@router.get("/dags", response_model=DagList)
async def list_dags(request: Request, caller: Viewer) -> Response:
    """List the team's DAGs."""
    return answer(DagList(items=await house(request).dags.list(caller.team_id)))


@router.post("/dags", response_model=DeployedDag, status_code=201, responses={200: {"description": "Unchanged"}})
async def deploy(request: Request, caller: Author, body: Deploy) -> Response:
    """Store a new version of a DAG. Runs that exist stay with the version they began with."""
    check_params_schema(body.manifest.params_schema)
    check_schedule(body.manifest)
    if body.signature is not None:
        await asyncio.to_thread(check_signature, body.manifest, body.signature, team=caller.team)
    new = NewVersion(
        team_id=caller.team_id,
        manifest=body.manifest,
        signature=body.signature,
        created_by=caller.actor,
        address=caller.person.address,
        dag_id=clock.new_id("dag"),
        version_id=clock.new_id("ver"),
    )
    deployed = await house(request).dags.deploy(new, now=clock.now())
    return answer(deployed, status=200 if deployed.unchanged else 201)


@router.get("/dags/{dag}", response_model=DagDetail)
async def get_dag(request: Request, caller: Viewer, dag: Annotated[Name, Path()]) -> Response:
    """Return a DAG with its newest manifest."""
    return answer(await house(request).dags.get(caller.team_id, dag))


@router.get("/dags/{dag}/versions", response_model=DagVersionList)
async def list_versions(
    request: Request,
    caller: Viewer,
    dag: Annotated[Name, Path()],
    after: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="`next` of the part before")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    """List the versions of a DAG, newest first, with who deployed and who signed them."""
    items = await house(request).dags.versions(caller.team_id, dag, before=after, limit=limit)
    return answer(DagVersionList(items=items, next=str(items[-1].version) if len(items) == limit else None))
