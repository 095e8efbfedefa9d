"""``/v1/agent``: hello, leases, renewals, outcomes."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from leasehold_api import __version__, clock
from leasehold_api.callers import AgentCaller
from leasehold_api.errors import ApiError
from leasehold_api.fault_points import reach
from leasehold_api.http.access import agent_caller
from leasehold_api.http.answers import answer, answer_agent
from leasehold_api.http.house import house
from leasehold_api.http.leases_out import leases_out
from leasehold_api.leases.dispatch import Handed
from leasehold_protocol import PROTOCOL_VERSION
from leasehold_protocol.v1.agents import Hello, HelloAnswer, Intervals
from leasehold_protocol.v1.grants import StreamGrant
from leasehold_protocol.v1.leases import (
    LeaseAnswer,
    LeaseRequest,
    OutcomeAnswer,
    OutcomeBatch,
    RenewalAnswer,
    RenewalRequest,
)
from leasehold_protocol.v1.problems import ProblemCode

router = APIRouter(prefix="/v1/agent", tags=["agents"])

Caller = Annotated[AgentCaller, Depends(agent_caller)]


@router.post("/hello", response_model=HelloAnswer)
async def hello(request: Request, caller: Caller, body: Hello) -> Response:
    """Say who is here and what it still has; learn what to do with it."""
    services, settings = house(request), house(request).settings
    if not body.protocol_min <= PROTOCOL_VERSION <= body.protocol_max:
        raise ApiError(
            f"the agent speaks protocol {body.protocol_min} to {body.protocol_max}, the API {PROTOCOL_VERSION}: "
            + ("upgrade the agent" if body.protocol_max < PROTOCOL_VERSION else "upgrade the API first"),
            code=ProblemCode.VERSION_UNSUPPORTED,
        )
    now = clock.now()
    # Nobody reads a stream that this agent may still seem to have: no lease may be given to it from here on.
    services.streams.end(caller.agent_id)
    standing = await services.presence.hello(caller.agent_id, body, now=now)
    orders = await services.presence.orders_of(caller.agent_id)
    attempts = await services.leases.resume(
        caller, body.attempts, asked_at=_seconds(body.asked_at), names_all=body.names_all, now=now
    )
    reach("api.hello.committed.before-answer")
    return answer(
        HelloAnswer(
            agent=caller.agent_id,
            agent_name=caller.agent_name,
            site=caller.site,
            team=caller.team,
            protocol=PROTOCOL_VERSION,
            api_version=__version__,
            slots=min(body.slots, standing.max_slots, orders.slots.slots if orders.slots else body.slots),
            labels=standing.labels,
            intervals=Intervals(
                poll_wait_s=settings.poll_wait_s,
                renew_every_s=settings.renew_every_s,
                log_every_s=settings.log_every_s,
                rotate_key_every_s=settings.agent_key_days * 86400.0,
            ),
            attempts=attempts,
            control=await services.dispatch.control(caller.agent_id),
            orders=orders,
            trusted=standing.trusted,
        )
    )


@router.post("/leases", response_model=LeaseAnswer, responses={204: {"description": "Nothing came within the wait"}})
async def leases(request: Request, caller: Caller, body: LeaseRequest) -> Response:
    """Pull: take leases now, or as soon as there are any, or nothing after the wait."""
    services, began = house(request), time.monotonic()
    await services.presence.seen(caller.agent_id, now=clock.now())
    wait_s = min(body.wait_s, services.settings.poll_wait_s)
    handed = await _unless_gone(
        request, asyncio.ensure_future(services.dispatch.hand_out(caller, most=body.free_slots, wait_s=wait_s))
    )
    if handed is not None and handed.claimed:
        reach("api.claim.committed.before-answer")
    if handed is None or not (handed.claimed or handed.control or handed.orders):
        return Response(status_code=204)
    waited_s = time.monotonic() - began
    leases = await leases_out(request, caller, handed)
    return answer_agent(LeaseAnswer(leases=leases, control=handed.control, orders=handed.orders, waited_s=waited_s))


@router.post("/renewals", response_model=RenewalAnswer)
async def renewals(request: Request, caller: Caller, body: RenewalRequest) -> Response:
    """Renew every lease held. Also the agent's sign of life."""
    services, now = house(request), clock.now()
    renewed = await services.leases.renew(
        caller, list(body.leases), asked_at=_seconds(body.asked_at), names_all=body.names_all, now=now
    )
    reach("api.renewal.committed.before-answer")
    _grant(request, caller, body.grant)
    await services.presence.told(caller.agent_id, body.paused_because, body.health, now=now)
    items = []
    for lease in renewed:
        renewal = lease.renewal
        if lease.claimed is not None:
            token, expires_in_s = services.offers.task_token(caller, lease.claimed, now=now)
            renewal = renewal.model_copy(update={"task_token": token, "task_token_expires_in_s": expires_in_s})
        items.append(renewal)
    return answer_agent(RenewalAnswer(leases=items, orders=await services.presence.orders_of(caller.agent_id)))


@router.post("/outcomes", response_model=OutcomeAnswer)
async def outcomes(request: Request, caller: Caller, body: OutcomeBatch) -> Response:
    """Deliver how attempts ended, and perhaps take the next leases in the same breath."""
    services, began = house(request), time.monotonic()
    acknowledged = await services.delivery.outcomes(caller, body.outcomes)
    _grant(request, caller, body.grant)
    handed = Handed(claimed=[], control=[])
    if body.free_slots and not caller.is_finishing:
        handed = await services.dispatch.hand_out(caller, most=body.free_slots, wait_s=0)
    reach("api.outcome.durable.before-answer")
    waited_s = time.monotonic() - began if handed.claimed else None
    leases = await leases_out(request, caller, handed)
    return answer_agent(OutcomeAnswer(outcomes=acknowledged, leases=leases, control=handed.control, waited_s=waited_s))


def _grant(request: Request, caller: AgentCaller, grant: StreamGrant | None) -> None:
    if grant is not None and not caller.is_finishing:
        house(request).streams.grant(caller.agent_id, grant, good_until=caller.token_expires_at)


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


async def _unless_gone(request: Request, waiting: asyncio.Future[Handed]) -> Handed | None:
    """Return what comes of ``waiting``; give it up when the agent closes its connection, so that it leases nothing."""
    gone = asyncio.ensure_future(_disconnected(request))
    both: set[asyncio.Future[Any]] = {waiting, gone}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        return await waiting if waiting.done() else None
    finally:
        gone.cancel()
        waiting.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
