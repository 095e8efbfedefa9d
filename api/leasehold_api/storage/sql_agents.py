"""The agents' store, as people see them, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, update

from leasehold_api.acting import By, Slice, Team
from leasehold_api.clock import instant, instant_or_none
from leasehold_api.errors import NotFoundError
from leasehold_api.fleet.orders import Revision
from leasehold_api.fleet.status import DISCONNECTED_AFTER_S, status_of
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage import sql_audit
from leasehold_api.storage.database import Database
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.slices import next_of
from leasehold_api.storage.sql_fleet import machine_from
from leasehold_api.storage.sql_locks import SITE_LOCK, lock_agent, lock_of
from leasehold_api.storage.sql_orders import orders_at, to_store
from leasehold_api.storage.tables import agents, sites, task_instances
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.agents import HostFacts, PolicyFacts
from leasehold_protocol.v1.fleet import Agent, AgentList, RunningAttempts
from leasehold_protocol.v1.health import AgentHealth


class SqlAgents:
    """Implements ``leasehold_api.fleet.registry.AgentStore``."""

    def __init__(self, database: Database, plans: Plans, *, disconnected_after_s: float = DISCONNECTED_AFTER_S) -> None:
        self._database = database
        self._plans = plans
        self._disconnected_after_s = disconnected_after_s

    async def list(self, team: Team, part: Slice, *, now: float) -> AgentList:
        """Return the team's agents in the order of their enrolment."""
        query = _query(team).where(agents.c.id > (part.after or "")).order_by(agents.c.id).limit(part.limit)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        items = [self._agent(row, team, now) for row in rows]
        return AgentList(items=items, next=next_of(part, [item.agent for item in items]))

    async def get(self, team: Team, agent: str, *, now: float) -> Agent:
        """Return an agent; see the port."""
        return await self._database.read(lambda connection: self._agent(_find(connection, team, agent), team, now))

    async def lock(self, team: Team, agent: str, *, because: str, running: RunningAttempts, by: By) -> Agent:
        """Lock an agent; see the port."""

        def operation(tx: Transaction) -> Agent:
            row = _find(tx.connection, team, agent)
            if row.locked_at is None or row.locked_running != running.value:
                lock_agent(tx, self._plans, row.id, because=because, running=running, now=by.at)
                _record(tx, row, "agent.locked", by, {"because": because, "running": running.value})
            return self._agent(_find(tx.connection, team, row.id), team, by.at)

        return await self._database.write(operation)

    async def unlock(self, team: Team, agent: str, *, by: By) -> Agent:
        """Let an agent in again; see the port."""

        def operation(tx: Transaction) -> Agent:
            row = _find(tx.connection, team, agent)
            if row.locked_at is not None:
                # The generation is forgotten: after a clone, the genuine agent's counter may be behind the clone's.
                tx.run(
                    update(agents)
                    .where(agents.c.id == row.id)
                    .values(
                        locked_at=None,
                        locked_because=None,
                        locked_running=None,
                        generation=0,
                        generation_jti=None,
                        generation_iat=None,
                    )
                )
                tx.signal(Signal(Topic.AGENT, row.id))
                _record(tx, row, "agent.unlocked", by, {"was_locked_because": row.locked_because})
            return self._agent(_find(tx.connection, team, row.id), team, by.at)

        return await self._database.write(operation)

    async def order(
        self, team: Team, agent: str, revise: Revision, *, action: str, detail: dict[str, Any], by: By
    ) -> Agent:
        """Change what is ordered of an agent; see the port."""

        def operation(tx: Transaction) -> Agent:
            row = _find(tx.connection, team, agent)
            before = orders_at(row.orders, now=by.at)
            after = revise(before)
            if after != before:
                tx.run(update(agents).where(agents.c.id == row.id).values(orders=to_store(after)))
                tx.signal(Signal(Topic.AGENT, row.id))
                _record(tx, row, action, by, detail)
            return self._agent(_find(tx.connection, team, row.id), team, by.at)

        return await self._database.write(operation)

    def _agent(self, row: Row[Any], team: Team, now: float) -> Agent:
        lock, machine = lock_of(row), None if row.offers is None else machine_from(row.offers)
        return Agent(
            agent=row.id,
            name=row.name,
            site=row.site,
            team=team.name,
            status=status_of(
                is_locked=lock.because is not None,
                last_seen_at=row.last_seen_at,
                now=now,
                disconnected_after_s=self._disconnected_after_s,
            ),
            locked_because=lock.because,
            locked_running=lock.running,
            key_thumbprint=row.jkt,
            key_since=instant(row.key_since or row.enrolled_at),
            version=row.version,
            host=None if row.host is None else HostFacts.model_validate_json(row.host),
            slots=row.slots,
            running=row.running,
            enrolled_at=instant(row.enrolled_at),
            enrolled_from=row.enrolled_from,
            last_seen_at=instant_or_none(row.last_seen_at),
            paused_because=json.loads(row.paused_because) if row.paused_because else [],
            orders=orders_at(row.orders, now=now),
            health=None if row.health is None else AgentHealth.model_validate_json(row.health),
            health_at=instant_or_none(row.health_at),
            policy=None if row.policy is None else PolicyFacts.model_validate_json(row.policy),
            runtimes=None if machine is None else sorted(machine.runtimes),
            pythons=None if machine is None or machine.pythons is None else list(machine.pythons),
        )


def _query(team: Team) -> Select[Any]:
    running = (
        select(func.count())
        .where(task_instances.c.agent_id == agents.c.id, task_instances.c.state == "running")
        .scalar_subquery()
    )
    return (
        select(agents, sites.c.name.label("site"), running.label("running"), *SITE_LOCK)
        .join(sites, sites.c.id == agents.c.site_id)
        .where(agents.c.team_id == team.id)
    )


def _find(connection: Connection, team: Team, agent: str) -> Row[Any]:
    if found := connection.execute(_query(team).where(agents.c.id == agent)).first():
        return found
    named = connection.execute(_query(team).where(agents.c.name == agent).limit(2)).all()
    if len(named) > 1:
        raise NotFoundError(f"team {team.name} has several agents named {agent}: use the id of one")
    if not named:
        raise NotFoundError(f"team {team.name} has no agent {agent}")
    return named[0]


def _record(tx: Transaction, row: Row[Any], action: str, by: By, detail: dict[str, Any]) -> None:
    sql_audit.record(
        tx,
        at=by.at,
        actor=by.actor,
        address=by.address,
        action=action,
        object=row.id,
        team_id=row.team_id,
        detail=detail,
    )
