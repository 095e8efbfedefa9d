"""The facts behind why task instances do not run: a bounded set of queries, whatever the run's size."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

from leasehold_api.acting import Team
from leasehold_api.errors import NotFoundError
from leasehold_api.runs.why import TaskFacts, UpstreamFacts, why
from leasehold_api.storage.database import Database
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_site_facts import SitesOfTeam, needs_in_words
from leasehold_protocol.v1.runs import RunState, TaskState
from leasehold_protocol.v1.waiting import Wait
from leasehold_protocol.v1.why import Why, WhyRun

MOST_TOLD = 200
"""Task instances of a run that one answer tells of."""

_RUN = text("""
    SELECT id, state, dag_version_id FROM runs WHERE id = :run AND team_id = :team AND deleted_at IS NULL
""")
_RUN_OF = text("SELECT run_id FROM task_instances WHERE id = :id AND team_id = :team")
_INSTANCES = text("""
    SELECT t.id, t.task, t.map_index, t.state, t.reason, t.cancel_reason, t.due_at, t.queued_at, t.started_at,
           t.ended_at, t.placement_id, t.dag_version_id, s.name AS site
      FROM task_instances t LEFT JOIN sites s ON s.id = t.site_id
     WHERE t.run_id = :run ORDER BY t.position, t.map_index
""")
_WAITS = text("SELECT id, task_instance_id, kind, wait, began_at FROM waits WHERE run_id = :run AND state = 'open'")


class SqlWhy:
    """Implements ``leasehold_api.runs.why.WhyStore``."""

    def __init__(self, database: Database, plans: Plans, *, disconnected_after_s: float) -> None:
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
            return WhyRun(run=found.id, state=RunState(found.state), items=items, left_out=left_out)

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
        sites = None
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
            answers.append(why(_facts(row, before, waits.get(row.id), sites), now=now))
        return answers


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
