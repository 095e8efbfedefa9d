"""Claimed task instances on their way out to an agent: as messages, with what a trusted site gets along."""

from __future__ import annotations

import asyncio

from fastapi import Request

from leasehold_api import clock
from leasehold_api.callers import AgentCaller, TaskCaller
from leasehold_api.http.house import House, house
from leasehold_api.leases.claimed import Claimed
from leasehold_api.leases.dispatch import Handed
from leasehold_api.oauth.tokens.task_tokens import scopes_for
from leasehold_protocol.v1.leases import Lease


async def leases_out(request: Request, caller: AgentCaller, handed: Handed) -> list[Lease]:
    """Return the leases that were handed out, as messages."""
    services, address = house(request), request.client.host if request.client else None
    return list(await asyncio.gather(*(_lease(services, caller, claimed, address) for claimed in handed.claimed)))


async def _lease(services: House, caller: AgentCaller, claimed: Claimed, address: str | None) -> Lease:
    now = clock.now()
    lease = services.offers.lease(caller, claimed, now=now)
    needs, variables = claimed.entry.needs.connections, claimed.entry.variables
    if not claimed.is_trusted or not (needs or variables):
        return lease
    reader = _reader(caller, claimed, address)
    given = await services.giving.given(reader, connections=needs, variables=variables, now=now)
    return lease.model_copy(update={"given": given})


def _reader(caller: AgentCaller, claimed: Claimed, address: str | None) -> TaskCaller:
    """Return the task as it would ask by itself, with the token that its lease brings."""
    return TaskCaller(
        agent_id=caller.agent_id,
        site_id=caller.site_id,
        team_id=caller.team_id,
        team=caller.team,
        task_instance=claimed.task_instance,
        epoch=claimed.epoch,
        attempt=claimed.attempt,
        task=claimed.entry.id,
        run=claimed.run.run,
        dag=claimed.run.dag,
        scopes=frozenset(scopes_for(claimed.entry, claimed.entry.needs.connections)),
        address=address,
    )
