"""The sites' store on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, select, update

from leasehold_api.acting import By, Slice, Team
from leasehold_api.clock import instant
from leasehold_api.errors import ConflictError, NotFoundError
from leasehold_api.fleet.status import DISCONNECTED_AFTER_S
from leasehold_api.storage import sql_audit
from leasehold_api.storage.conditional import insert_unless_there
from leasehold_api.storage.database import Database
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.slices import next_of
from leasehold_api.storage.sql_audit import record_in_team
from leasehold_api.storage.sql_fleet import rematch_site
from leasehold_api.storage.sql_locks import lock_site
from leasehold_api.storage.tables import agents, attempts, enrolment_tokens, sites
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.fleet import RunningAttempts, Site, SiteList, SiteWrite


class SqlSites:
    """Implements ``leasehold_api.fleet.registry.SiteStore``."""

    def __init__(self, database: Database, plans: Plans, *, disconnected_after_s: float = DISCONNECTED_AFTER_S) -> None:
        self._database = database
        self._plans = plans
        self._disconnected_after_s = disconnected_after_s

    async def list(self, team: Team, part: Slice, *, now: float) -> SiteList:
        """Return the team's sites by name."""
        query = self._query(team, now).where(sites.c.name > (part.after or "")).order_by(sites.c.name).limit(part.limit)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        items = [_site(row, team) for row in rows]
        return SiteList(items=items, next=next_of(part, [item.name for item in items]))

    async def get(self, team: Team, name: str, *, now: float) -> Site:
        """Return a site; see the port."""
        return await self._database.read(lambda connection: self._get(connection, team, name, now))

    async def put(self, team: Team, name: str, write: SiteWrite, *, site_id: str, by: By) -> tuple[Site, bool]:
        """Make a site or change it; see the port."""
        values = {
            "labels": json.dumps(write.labels, separators=(",", ":"), sort_keys=True),
            "max_slots": write.max_slots,
            "description": write.description,
            "max_running": write.max_running,
            "weight": write.weight,
            "reserved": write.reserved,
        }

        def operation(tx: Transaction) -> tuple[Site, bool]:
            row = {"id": site_id, "team_id": team.id, "name": name, "created_at": by.at, **values}
            is_new = insert_unless_there(tx, sites, row)
            known = _id_of(tx, team, name)
            if not is_new:
                tx.run(update(sites).where(sites.c.id == known).values(values))
            rematch_site(tx, known)
            action = "site.created" if is_new else "site.changed"
            sql_audit.record(
                tx,
                at=by.at,
                actor=by.actor,
                address=by.address,
                action=action,
                object=name,
                team_id=team.id,
                detail={**values},
            )
            return self._get(tx.connection, team, name, by.at), is_new

        return await self._database.write(operation)

    async def lock(self, team: Team, name: str, *, because: str, running: RunningAttempts, by: By) -> Site:
        """Lock a site; see the port."""

        def operation(tx: Transaction) -> Site:
            site_id = _id_of(tx, team, name)
            known = self._get(tx.connection, team, name, by.at)
            if known.locked_running is not running:
                lock_site(tx, self._plans, site_id, because=because, running=running, now=by.at)
                record_in_team(tx, "site.locked", name, team, by, {"because": because, "running": running.value})
            return self._get(tx.connection, team, name, by.at)

        return await self._database.write(operation)

    async def unlock(self, team: Team, name: str, *, by: By) -> Site:
        """Let the site's agents in again; see the port."""

        def operation(tx: Transaction) -> Site:
            site_id = _id_of(tx, team, name)
            was = self._get(tx.connection, team, name, by.at)
            if was.locked_because is not None:
                unlocked = {"locked_at": None, "locked_because": None, "locked_running": None}
                tx.run(update(sites).where(sites.c.id == site_id).values(unlocked))
                record_in_team(tx, "site.unlocked", name, team, by, {"was_locked_because": was.locked_because})
            return self._get(tx.connection, team, name, by.at)

        return await self._database.write(operation)

    async def trust(self, team: Team, name: str, *, trusted: bool, by: By) -> Site:
        """Let leases bring open secrets along, or no more; see the port."""

        def operation(tx: Transaction) -> Site:
            site_id = _id_of(tx, team, name)
            if self._get(tx.connection, team, name, by.at).trusted is not trusted:
                tx.run(update(sites).where(sites.c.id == site_id).values(trusted=trusted))
                record_in_team(tx, "site.trusted" if trusted else "site.untrusted", name, team, by)
            return self._get(tx.connection, team, name, by.at)

        return await self._database.write(operation)

    async def delete(self, team: Team, name: str, *, by: By) -> None:
        """Remove a site with its locked agents; see the port."""

        def operation(tx: Transaction) -> None:
            site_id = _id_of(tx, team, name)
            _check_is_unused(tx, site_id, name)
            tx.run(delete(enrolment_tokens).where(enrolment_tokens.c.site_id == site_id))
            tx.run(delete(agents).where(agents.c.site_id == site_id))
            tx.run(delete(sites).where(sites.c.id == site_id))
            sql_audit.record(
                tx, at=by.at, actor=by.actor, address=by.address, action="site.deleted", object=name, team_id=team.id
            )

        await self._database.write(operation)

    def _query(self, team: Team, now: float) -> Select[Any]:
        all_agents = select(func.count()).where(agents.c.site_id == sites.c.id).scalar_subquery()
        connected = (
            select(func.count())
            .where(
                agents.c.site_id == sites.c.id,
                agents.c.locked_at.is_(None),
                sites.c.locked_at.is_(None),
                agents.c.last_seen_at > now - self._disconnected_after_s,
            )
            .scalar_subquery()
        )
        return select(sites, all_agents.label("agents"), connected.label("connected")).where(sites.c.team_id == team.id)

    def _get(self, connection: Connection, team: Team, name: str, now: float) -> Site:
        row = connection.execute(self._query(team, now).where(sites.c.name == name)).first()
        if row is None:
            raise NotFoundError(f"team {team.name} has no site {name}")
        return _site(row, team)


def _id_of(tx: Transaction, team: Team, name: str) -> str:
    site_id = tx.run(select(sites.c.id).where(sites.c.team_id == team.id, sites.c.name == name)).scalar()
    if site_id is None:
        raise NotFoundError(f"team {team.name} has no site {name}")
    return str(site_id)


def _check_is_unused(tx: Transaction, site_id: str, name: str) -> None:
    working = select(func.count()).select_from(agents).where(agents.c.site_id == site_id, agents.c.locked_at.is_(None))
    if count := tx.run(working).scalar_one():
        raise ConflictError(f"site {name} has {count} agents that are not locked: lock them first")
    if tx.run(select(attempts.c.epoch).where(attempts.c.site_id == site_id).limit(1)).first() is not None:
        raise ConflictError(f"site {name} has run tasks, and their history refers to it: lock its agents and leave it")


def _site(row: Row[Any], team: Team) -> Site:
    return Site(
        name=row.name,
        team=team.name,
        labels=json.loads(row.labels),
        max_slots=row.max_slots,
        description=row.description,
        max_running=row.max_running,
        weight=row.weight,
        reserved=row.reserved,
        created_at=instant(row.created_at),
        trusted=row.trusted,
        agents=row.agents,
        connected=row.connected,
        locked_because=row.locked_because,
        locked_running=None if row.locked_running is None else RunningAttempts(row.locked_running),
    )
