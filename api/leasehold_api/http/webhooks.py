"""``/v1/teams/{team}/webhooks``: what was told to others, and what could not be."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from leasehold_api.callers import TeamCaller
from leasehold_api.http.access import in_team
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.http.slices import Part, done_by, team_of
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.webhooks import Webhook, WebhookList, WebhookState

router = APIRouter(prefix="/v1/teams/{team}/webhooks", tags=["webhooks"])

Viewer = Annotated[TeamCaller, Depends(in_team(Role.VIEWER))]
Operator = Annotated[TeamCaller, Depends(in_team(Role.OPERATOR))]


@router.get("", response_model=WebhookList)
async def list_webhooks(request: Request, caller: Viewer, part: Part, state: WebhookState | None = None) -> Response:
    """List webhooks, newest first; those that were settled for thirty days."""
    return answer(await house(request).webhooks.list(team_of(caller), part, state=state))


@router.post("/{webhook}/retry", response_model=Webhook)
async def retry_webhook(request: Request, caller: Operator, webhook: str) -> Response:
    """Send one again that was given up."""
    return answer(await house(request).webhooks.again(team_of(caller), webhook, by=done_by(caller)))
