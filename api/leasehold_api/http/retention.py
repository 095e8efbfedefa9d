"""``/v1/teams/{team}``: deleting runs, one or all that are old."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from leasehold_api.callers import TeamCaller
from leasehold_api.http.access import in_team
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.http.slices import done_by, team_of
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.retention import PruneAnswer, PruneRequest

router = APIRouter(prefix="/v1/teams/{team}", tags=["runs"])

Operator = Annotated[TeamCaller, Depends(in_team(Role.OPERATOR))]


@router.delete("/runs/{run}", status_code=204)
async def delete_run(request: Request, caller: Operator, run: str) -> Response:
    """Delete a run that ended, with all it left: nobody sees it any more, and the rest goes at once after."""
    services = house(request)
    await services.retention_store.delete(team_of(caller), run, by=done_by(caller))
    services.retention.soon()
    return Response(status_code=204)


@router.post("/prune", response_model=PruneAnswer)
async def prune(request: Request, caller: Operator, body: PruneRequest) -> Response:
    """Delete runs that ended long ago, or say which would go."""
    services = house(request)
    team, by, kept = team_of(caller), done_by(caller), services.kept_apart
    done = await services.retention_store.prune(
        team, body, server_days=services.settings.retention_days, by=by, thins=bool(kept.days())
    )
    if not body.dry_run:
        services.retention.soon()
    elif body.older_than_days is None:
        thinned = await services.thinning_store.outlook(team, body.dag, kept, now=by.at)
        done = done.model_copy(update={"thinned": thinned})
    return answer(done)
