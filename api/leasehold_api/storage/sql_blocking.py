"""What keeps queued task instances, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, text

from leasehold_api.errors import NotFoundError
from leasehold_api.fleet.machines import Wanted
from leasehold_api.fleet.matching import mismatch
from leasehold_api.runs.blocking import (
    COUNTED_AHEAD,
    SHOWN_HOLDERS,
    Blocking,
    FullLimit,
    Holder,
    SiteStanding,
    in_words,
)
from leasehold_api.runs.limits import LimitKind
from leasehold_api.storage.database import Database
from leasehold_api.storage.sql_fleet import offers_in

_INSTANCE = text("""
    SELECT t.id, t.state, t.priority, t.queued_at, t.due_at, t.blocked_on, p.needs, tm.max_running
      FROM task_instances t JOIN placements p ON p.id = t.placement_id JOIN teams tm ON tm.id = t.team_id
     WHERE t.id = :id AND t.team_id = :team
""")

_LIMITS = """
    SELECT n.id AS line, l.id, l.kind, l.name, l.most, l.used, l.updated_at, ll.slots
      FROM lines n JOIN line_limits ll ON ll.line_id = n.id JOIN limits l ON l.id = ll.limit_id
     WHERE {which} ORDER BY ll.rank
"""
_PASSED = text(_LIMITS.format(which="n.id = :line"))
_STANDS_AT = text(
    _LIMITS.format(
        which="""l.id = n.stands_at AND n.id IN (
        SELECT blocked_on FROM task_instances WHERE run_id = :run AND state = 'queued' AND blocked_on IS NOT NULL)"""
    )
)

_HOLDERS = text(f"""
    SELECT h.task_instance_id, h.run_id, h.slots, h.since, d.name AS dag, t.task, t.map_index, s.name AS site
      FROM limit_holds h JOIN task_instances t ON t.id = h.task_instance_id
      JOIN runs r ON r.id = h.run_id JOIN dags d ON d.id = r.dag_id
      LEFT JOIN sites s ON s.id = t.site_id AND t.state = 'running'
     WHERE h.limit_id = :limit ORDER BY h.since, h.task_instance_id LIMIT {SHOWN_HOLDERS}
""")

_AHEAD = text(f"""
    SELECT count(*) FROM (
        SELECT 1 FROM task_instances WHERE blocked_on = :line AND state = 'queued'
           AND (priority > :priority OR (priority = :priority AND (queued_at < :at OR (queued_at = :at AND id < :id))))
         LIMIT {COUNTED_AHEAD}) AS others
""")

_SITES = text("""
    SELECT s.id, s.name, s.max_running, s.locked_at, s.locked_because,
           (SELECT count(*) FROM agents a WHERE a.site_id = s.id AND a.locked_at IS NULL) AS agents,
           (SELECT max(a.last_seen_at) FROM agents a WHERE a.site_id = s.id AND a.locked_at IS NULL) AS last_seen_at,
           CASE WHEN s.max_running IS NOT NULL THEN (SELECT count(*) FROM task_instances t
                WHERE t.team_id = :team AND t.site_id = s.id AND t.state = 'running') END AS running
      FROM sites s WHERE s.team_id = :team ORDER BY s.name
""")
_RUNNING = text("SELECT count(*) FROM task_instances WHERE team_id = :team AND state = 'running'")


class SqlBlocking:
    """Implements ``leasehold_api.runs.blocking.BlockingStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def blocking(self, team_id: str, instance: str) -> Blocking | None:
        """Return how a queued task instance stands; see the port."""
        return await self._database.read(lambda connection: blocking_of(connection, team_id, instance))


def blocking_of(connection: Connection, team_id: str, instance: str) -> Blocking | None:
    """Return how a queued task instance stands; see ``BlockingStore.blocking``."""
    row = connection.execute(_INSTANCE, {"id": instance, "team": team_id}).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no task instance {instance} in this team")
    if row.state != "queued":
        return None
    limits = connection.execute(_PASSED, {"line": row.blocked_on}).all() if row.blocked_on else []
    is_limited = row.max_running is not None
    return Blocking(
        queued_at=row.queued_at,
        fails_at=row.due_at,
        limits=[_limit(limit, _holders(connection, limit)) for limit in limits],
        ahead=_ahead(connection, row) if row.blocked_on else 0,
        team_max_running=row.max_running,
        team_running=connection.execute(_RUNNING, {"team": team_id}).scalar_one() if is_limited else None,
        sites=_sites(connection, team_id, row.needs),
    )


def full_limits(connection: Connection, line: str) -> list[FullLimit]:
    """Return the limits without room for the first of a line, with who has their slots."""
    limits = connection.execute(_PASSED, {"line": line}).all()
    return [limit for limit in (_limit(row, _holders(connection, row)) for row in limits) if limit.is_full]


def limits_in_words(connection: Connection, run: str) -> dict[str, str]:
    """Return line → why the limit that it stands at lets nobody through, for the lines of a run that somebody is in."""
    rows = connection.execute(_STANDS_AT, {"run": run}).all()
    return {row.line: in_words(_limit(row, [])) for row in rows}


def _limit(row: Row[Any], holders: list[Holder]) -> FullLimit:
    kind = LimitKind(row.kind)
    return FullLimit(
        kind=kind,
        name=row.name,
        most=row.most,
        used=row.used,
        slots=row.slots,
        is_set=kind is not LimitKind.POOL or row.updated_at is not None,
        holders=holders,
    )


def _holders(connection: Connection, limit: Row[Any]) -> list[Holder]:
    if limit.used + limit.slots <= limit.most:
        return []
    return [
        Holder(
            task_instance=row.task_instance_id,
            run=row.run_id,
            dag=row.dag,
            task=row.task,
            map_index=row.map_index,
            slots=row.slots,
            since=row.since,
            site=row.site,
        )
        for row in connection.execute(_HOLDERS, {"limit": limit.id}).all()
    ]


def _ahead(connection: Connection, row: Row[Any]) -> int:
    place = {"line": row.blocked_on, "priority": row.priority, "at": row.queued_at, "id": row.id}
    return int(connection.execute(_AHEAD, place).scalar_one())


def _sites(connection: Connection, team_id: str, needs: str) -> list[SiteStanding]:
    wanted, offered = Wanted.model_validate(json.loads(needs)), offers_in(connection, team_id)
    return [
        SiteStanding(
            site=row.name,
            mismatch=mismatch(wanted, offered[row.id].offer),
            locked_because=(row.locked_because or "no reason was given") if row.locked_at is not None else None,
            max_running=row.max_running,
            running=row.running,
            agents=row.agents,
            last_seen_at=row.last_seen_at,
        )
        for row in connection.execute(_SITES, {"team": team_id}).all()
    ]
