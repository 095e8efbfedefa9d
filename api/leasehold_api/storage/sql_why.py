"""The facts behind why task instances do not run: a bounded set of queries, whatever the run's size."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, text

from leasehold_api.acting import Team
from leasehold_api.clock import instant
from leasehold_api.errors import NotFoundError
from leasehold_api.fleet.served_packs import ServedPack, pack_for
from leasehold_api.leases.restored import may_lease
from leasehold_api.runs.blocking import FullLimit, in_words
from leasehold_api.runs.why import TaskFacts, UpstreamFacts, why
from leasehold_api.storage.database import Database
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_blocking import full_limits
from leasehold_api.storage.sql_site_facts import SitesOfTeam, needs_in_words
from leasehold_protocol.v1.message import Json
from leasehold_protocol.v1.runs import RunState, TaskState
from leasehold_protocol.v1.waiting import Wait
from leasehold_protocol.v1.why import Why, WhyKind, WhyReason, WhyRun

MOST_TOLD = 200
"""Task instances of a run that one answer tells of."""

_RUN = text("""
    SELECT id, state, dag_version_id FROM runs WHERE id = :run AND team_id = :team AND deleted_at IS NULL
""")
_RUN_OF = text("SELECT run_id FROM task_instances WHERE id = :id AND team_id = :team")
_INSTANCES = text("""
    SELECT t.id, t.task, t.map_index, t.state, t.reason, t.cancel_reason, t.due_at, t.queued_at, t.started_at,
           t.ended_at, t.placement_id, t.dag_version_id, t.blocked_on, s.name AS site
      FROM task_instances t LEFT JOIN sites s ON s.id = t.site_id
     WHERE t.run_id = :run ORDER BY t.position, t.map_index
""")
_TEAM = text("""
    SELECT max_running, (SELECT count(*) FROM task_instances WHERE team_id = :team AND state = 'running') AS running
      FROM teams WHERE id = :team
""")
_MOST_RUNS = text("""
    SELECT d.name, s.max_active_runs FROM runs r JOIN dags d ON d.id = r.dag_id JOIN schedules s ON s.dag_id = r.dag_id
     WHERE r.id = :run
""")
_WAITS = text("SELECT id, task_instance_id, kind, wait, began_at FROM waits WHERE run_id = :run AND state = 'open'")


class SqlWhy:
    """Implements ``leasehold_api.runs.why.WhyStore``."""

    def __init__(
        self,
        database: Database,
        plans: Plans,
        *,
        disconnected_after_s: float,
        packs: Callable[[], Sequence[ServedPack]] = tuple[ServedPack],
    ) -> None:
        self._packs = packs
        self._database = database
        self._plans = plans
        self._disconnected_after_s = disconnected_after_s

    async def of_task(self, team: Team, run: str, task: str, map_index: int | None, *, now: float) -> list[Why]:
        """Return the answer for a task; see the port."""

        def query(connection: Connection) -> list[Why]:
            found = _run(connection, team, run)
            rows = connection.execute(_INSTANCES, {"run": run}).all()
            wanted = [row for row in rows if row.task == task and map_index in (None, row.map_index)]
            if not wanted:
                raise NotFoundError(f"run {run} has no task {task!r}; its tasks: leasehold runs show {run}")
            return self._answers(connection, team, found, rows, wanted[:MOST_TOLD], now)

        return await self._database.read(query)

    async def of_run(self, team: Team, run: str, *, now: float) -> WhyRun:
        """Return the answers for all that waits; see the port."""

        def query(connection: Connection) -> WhyRun:
            of = connection.execute(_RUN_OF, {"id": run, "team": team.id}).scalar_one_or_none()
            found = _run(connection, team, of or run)
            rows = connection.execute(_INSTANCES, {"run": found.id}).all()
            waiting = [row for row in rows if (row.id == run if of else _waits(row))]
            items = self._answers(connection, team, found, rows, waiting[:MOST_TOLD], now)
            left_out = max(0, len(waiting) - MOST_TOLD)
            reason = _turn(connection, found) if found.state == RunState.QUEUED else None
            return WhyRun(run=found.id, state=RunState(found.state), reason=reason, items=items, left_out=left_out)

        return await self._database.read(query)

    def _answers(
        self,
        connection: Connection,
        team: Team,
        run: Row[Any],
        rows: Sequence[Row[Any]],
        wanted: Sequence[Row[Any]],
        now: float,
    ) -> list[Why]:
        waits = {row.task_instance_id: row for row in connection.execute(_WAITS, {"run": run.id})}
        sites, limits = None, _Limits(connection, team, now=now)
        if any(row.state == TaskState.QUEUED for row in wanted):
            sites = SitesOfTeam(connection, team, run.id, disconnected_after_s=self._disconnected_after_s, now=now)
        upstream = self._plans.get(connection, run.dag_version_id).entries
        open_: defaultdict[str, list[Row[Any]]] = defaultdict(list)
        for row in rows:
            if not TaskState(row.state).is_final:
                open_[row.task].append(row)
        answers: list[Why] = []
        for row in wanted:
            before = [each for name in dict.fromkeys(upstream[row.task].upstream) for each in open_[name]]
            facts = _facts(row, before, waits.get(row.id), sites)
            if row.state == TaskState.QUEUED:
                python = None if sites is None else sites.python_wanted(row.placement_id)
                pack = None if python is None else pack_for(python, self._packs())
                facts = replace(facts, limits=limits.of(row.blocked_on), pack=pack)
            answers.append(why(facts, now=now))
        return answers


_LEASES_FROM = text("SELECT leases_from FROM teams WHERE id = :team")


class _Limits:
    """What is full, asked once for each line."""

    def __init__(self, connection: Connection, team: Team, *, now: float) -> None:
        self._connection = connection
        self._team = team
        self._held = _held(connection, team, now=now)
        self._known: dict[str | None, list[WhyReason]] = {}

    def of(self, line: str | None) -> list[WhyReason]:
        """Return the limits that keep those who stand in a line; without one, the team's own."""
        if line not in self._known:
            full = [] if line is None else full_limits(self._connection, line)
            self._known[line] = [_limited(limit) for limit in full] or self._of_team()
        return [*self._held, *self._known[line]]

    def _of_team(self) -> list[WhyReason]:
        row = self._connection.execute(_TEAM, {"team": self._team.id}).one()
        if row.max_running is None or row.running < row.max_running:
            return []
        message = f"team {self._team.name} may run {row.max_running} task instances at once, and does"
        return [WhyReason(kind=WhyKind.LIMITED, message=message, details={"most": row.max_running})]


def _held(connection: Connection, team: Team, *, now: float) -> list[WhyReason]:
    """Return why the team leases nothing at the moment, after a restore."""
    until: float | None = connection.execute(_LEASES_FROM, {"team": team.id}).scalar()
    if until is None or may_lease(until, now=now):
        return []
    message = (
        f"nothing is leased until {instant(until):%Y-%m-%d %H:%M:%S} UTC: the service was restored from a backup, and "
        "agents may still run what the backup does not know of"
    )
    return [WhyReason(kind=WhyKind.PAUSED, message=message, until=instant(until))]


def _limited(limit: FullLimit) -> WhyReason:
    held = [f"{holder.dag}.{holder.task}" for holder in limit.holders]
    by = f", taken by {', '.join(dict.fromkeys(held))}" if held else ""
    details: dict[str, Json] = {"limit": limit.kind.value, "name": limit.name, "most": limit.most, "used": limit.used}
    holders: list[Json] = [holder.task_instance for holder in limit.holders]
    return WhyReason(kind=WhyKind.LIMITED, message=in_words(limit) + by, details={**details, "holders": holders})


def _turn(connection: Connection, run: Row[Any]) -> str | None:
    row = connection.execute(_MOST_RUNS, {"run": run.id}).one_or_none()
    if row is None or row.max_active_runs is None:
        return None
    runs = "one run" if row.max_active_runs == 1 else f"{row.max_active_runs} runs"
    return f"waits for its turn: {row.name} may have {runs} at the same time (max_active_runs)"


def _run(connection: Connection, team: Team, run: str) -> Row[Any]:
    found = connection.execute(_RUN, {"run": run, "team": team.id}).one_or_none()
    if found is None:
        raise NotFoundError(f"there is no run {run!r} in this team; list them: leasehold runs list")
    return found


def _waits(row: Row[Any]) -> bool:
    state = TaskState(row.state)
    return not state.is_final and state is not TaskState.RUNNING


def _facts(row: Row[Any], before: Sequence[Row[Any]], wait: Row[Any] | None, sites: SitesOfTeam | None) -> TaskFacts:
    state = TaskState(row.state)
    is_queued = state is TaskState.QUEUED and sites is not None
    asked = None if wait is None or wait.kind != "question" else Wait.model_validate_json(wait.wait).question
    since = {TaskState.QUEUED: row.queued_at, TaskState.RUNNING: row.started_at}.get(state, row.ended_at)
    return TaskFacts(
        task_instance=row.id,
        task=row.task,
        map_index=row.map_index,
        state=state,
        reason=row.cancel_reason or row.reason,
        due_at=row.due_at,
        since=wait.began_at if wait is not None and state is TaskState.DEFERRED else since,
        site=row.site,
        upstream=[UpstreamFacts(task=each.task, state=TaskState(each.state)) for each in before],
        input=wait.id if wait is not None and asked is not None else None,
        assigned_to=asked.assigned_to if asked is not None else (),
        needs=needs_in_words(json.loads(sites.needs[row.placement_id])) if is_queued and sites else "",
        granted_nowhere=sites.granted_nowhere(row.placement_id) if is_queued and sites else (),
        sites=sites.seen_from(row.placement_id, row.id, f"{row.dag_version_id} {row.task}")
        if is_queued and sites
        else (),
    )
