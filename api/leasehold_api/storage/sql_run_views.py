"""Runs as people look at them."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from sqlalchemy import Connection, Row, select, text

from leasehold_api.clock import instant, instant_or_none
from leasehold_api.errors import NotFoundError
from leasehold_api.runs.quantiles import nearest_rank
from leasehold_api.storage.database import Database
from leasehold_api.storage.sql_blocking import limits_in_words
from leasehold_api.storage.sql_policies import reasons_of
from leasehold_api.storage.sql_site_facts import needs_in_words
from leasehold_api.storage.tables import dag_versions, dags, runs, teams
from leasehold_protocol.v1.leases import Rendered
from leasehold_protocol.v1.manifest import RESULT_KEY, Manifest, TaskEntry
from leasehold_protocol.v1.runs import (
    AttemptSummary,
    MetricList,
    MetricSummary,
    RunDetail,
    RunState,
    RunSummary,
    TaskInstance,
    TaskState,
    XComList,
    XComSummary,
)

SHOWN_RESULT_BYTES = 4096
"""Larger results are named with their size only."""

_WAITS_ITS_TURN = "waits until another run of its DAG has ended (max_active_runs)"

_RUNS = (
    select(
        runs,
        dags.c.name.label("dag"),
        dag_versions.c.version,
        dag_versions.c.manifest,
        teams.c.name.label("team"),
    )
    .join(dags, dags.c.id == runs.c.dag_id)
    .join(dag_versions, dag_versions.c.id == runs.c.dag_version_id)
    .join(teams, teams.c.id == runs.c.team_id)
    .where(runs.c.deleted_at.is_(None))
)

_TASKS = text(f"""
    SELECT t.*, s.name AS site, p.needs, x.size AS result_size,
           EXISTS (SELECT 1 FROM site_placements o WHERE o.placement_id = t.placement_id) AS is_offered,
           EXISTS (SELECT 1 FROM sites WHERE team_id = t.team_id) AS has_sites,
           CASE WHEN x.size <= {SHOWN_RESULT_BYTES} THEN x.value END AS result,
           CASE WHEN t.state = 'deferred' THEN (SELECT w.id FROM waits w WHERE w.task_instance_id = t.id
                AND w.kind = 'question' AND w.state = 'open') END AS input
      FROM task_instances t
      JOIN placements p ON p.id = t.placement_id
      LEFT JOIN sites s ON s.id = t.site_id
      LEFT JOIN xcoms x ON x.task_instance_id = t.id AND x.epoch = t.epoch AND x.key = '{RESULT_KEY}'
     WHERE t.run_id = :run ORDER BY t.position, t.map_index
""")

_ATTEMPTS = text("""
    SELECT a.*, g.name AS agent, s.name AS site
      FROM task_instances t
      JOIN attempts a ON a.task_instance_id = t.id
      JOIN agents g ON g.id = a.agent_id
      JOIN sites s ON s.id = a.site_id
     WHERE t.run_id = :run ORDER BY a.epoch
""")

_METRICS = text("""
    SELECT t.task, t.map_index, m.task_instance_id, m.epoch, m.name, m.kind, m.value, m.seq
      FROM task_instances t JOIN metric_points m ON m.task_instance_id = t.id
     WHERE t.run_id = :run ORDER BY t.position, m.epoch, m.seq
""")

_XCOMS = text(f"""
    SELECT t.task, t.map_index, x.key, x.size, CASE WHEN x.size <= {SHOWN_RESULT_BYTES} THEN x.value END AS value
      FROM task_instances t JOIN xcoms x ON x.task_instance_id = t.id AND x.epoch = t.epoch
     WHERE t.run_id = :run ORDER BY t.position, x.key
""")


class SqlRunViews:
    """The reading half of ``leasehold_api.runs.catalog.RunStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, team_id: str, run: str) -> RunDetail:
        """Return a run with its task instances; see the port."""
        return await self._database.read(lambda connection: _detail(connection, team_id, run))

    async def task_instance(self, team_id: str, run: str, task: str, map_index: int) -> TaskInstance:
        """Return one task instance with what its arguments came to; see the port."""

        def query(connection: Connection) -> TaskInstance:
            instances = _detail(connection, team_id, run, only=(task, map_index)).tasks
            if not instances:
                raise NotFoundError(
                    f"run {run} has no task {task!r} (map index {map_index}): leasehold runs show {run}"
                )
            return instances[0]

        return await self._database.read(query)

    async def recent(
        self, team_id: str, *, dag: str | None, state: RunState | None, after: str | None, limit: int
    ) -> list[RunSummary]:
        """Return runs, newest first; see the port."""
        query = _RUNS.where(runs.c.team_id == team_id).order_by(runs.c.id.desc()).limit(limit)
        if dag is not None:
            query = query.where(dags.c.name == dag)
        if state is not None:
            query = query.where(runs.c.state == state.value)
        if after is not None:
            query = query.where(runs.c.id < after)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [RunSummary(**_summary(row)) for row in rows]

    async def metrics(self, team_id: str, run: str) -> MetricList:
        """Return each metric of each attempt; see the port."""
        return await self._database.read(lambda connection: _metrics(connection, team_id, run))

    async def xcoms(self, team_id: str, run: str) -> XComList:
        """Return the XComs that stand; see the port."""

        def query(connection: Connection) -> XComList:
            of_run = _row(connection, team_id, run)
            items = [
                XComSummary(
                    task=row.task,
                    map_index=row.map_index,
                    key=row.key,
                    size=row.size,
                    value=None if row.value is None else json.loads(row.value),
                    inline=row.value is not None,
                )
                for row in connection.execute(_XCOMS, {"run": run})
            ]
            return XComList(items=items, deleted_at=instant_or_none(of_run.xcoms_deleted_at))

        return await self._database.read(query)


def _row(connection: Connection, team_id: str, run: str) -> Row[Any]:
    row = connection.execute(_RUNS.where(runs.c.id == run, runs.c.team_id == team_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no run {run!r} in this team; list them: leasehold runs list")
    return row


def _summary(row: Row[Any]) -> dict[str, Any]:
    return {
        "run": row.id,
        "dag": row.dag,
        "version": row.version,
        "team": row.team,
        "state": RunState(row.state),
        "trigger": row.trigger,
        "created_by": row.created_by,
        "caused_by": row.caused_by,
        "logical_date": instant(row.logical_date),
        "created_at": instant(row.created_at),
        "started_at": instant_or_none(row.started_at),
        "ended_at": instant_or_none(row.ended_at),
        "reason": _WAITS_ITS_TURN if row.state == RunState.QUEUED else row.cancel_reason,
        "data_interval_start": instant_or_none(row.data_interval_start),
        "data_interval_end": instant_or_none(row.data_interval_end),
        "backfill": row.backfill_id,
    }


def _detail(connection: Connection, team_id: str, run: str, *, only: tuple[str, int] | None = None) -> RunDetail:
    """Return a run; ``only`` one (task, map index) of it, and that one whole."""
    row = _row(connection, team_id, run)
    entries = {entry.id: entry for entry in Manifest.model_validate_json(row.manifest).tasks}
    attempts: defaultdict[str, list[AttemptSummary]] = defaultdict(list)
    for attempt in connection.execute(_ATTEMPTS, {"run": run}):
        attempts[attempt.task_instance_id].append(_attempt(attempt, shown_whole=only is not None))
    refused, limited = reasons_of(connection, run), limits_in_words(connection, run)
    tasks = [
        _task(task, entries[task.task], attempts[task.id], limited.get(task.blocked_on) or refused.get(task.id))
        for task in connection.execute(_TASKS, {"run": run})
        if only in (None, (task.task, task.map_index))
    ]
    return RunDetail(
        **_summary(row),
        params=json.loads(row.params),
        tasks=tasks,
        xcoms_deleted_at=instant_or_none(row.xcoms_deleted_at),
        metrics_deleted_at=instant_or_none(row.metrics_deleted_at),
    )


def _task(row: Row[Any], entry: TaskEntry, attempts: list[AttemptSummary], refused: str | None) -> TaskInstance:
    return TaskInstance(
        task_instance=row.id,
        task=row.task,
        map_index=row.map_index,
        state=TaskState(row.state),
        try_number=attempts[-1].try_number if attempts else 0,
        epoch=row.epoch,
        label=next((attempt.label for attempt in reversed(attempts) if attempt.label), None),
        reason=row.cancel_reason or refused or row.reason or _why_it_waits(row),
        site=row.site,
        queued_at=instant_or_none(row.queued_at),
        started_at=instant_or_none(row.started_at),
        ended_at=instant_or_none(row.ended_at),
        due_at=instant_or_none(row.due_at),
        upstream=entry.upstream,
        group=entry.group,
        role=entry.role,
        attempts=attempts,
        result=None if row.result is None else json.loads(row.result),
        result_size=row.result_size,
        rescheduled=row.rescheduled,
        input=row.input,
    )


def _why_it_waits(row: Row[Any]) -> str | None:
    """Return what a queued task instance needs when no site of its team offers that."""
    if row.state != TaskState.QUEUED or row.is_offered:
        return None
    if not row.has_sites:
        return "the team has no site yet: leasehold sites create NAME"
    return f"no site offers what it needs: {needs_in_words(json.loads(row.needs))}"


def _attempt(row: Row[Any], *, shown_whole: bool) -> AttemptSummary:
    return AttemptSummary(
        attempt=f"{row.task_instance_id}.{row.epoch}",
        epoch=row.epoch,
        try_number=row.try_number,
        agent=row.agent,
        site=row.site,
        leased_at=instant(row.leased_at),
        started_at=instant_or_none(row.started_at),
        ended_at=instant_or_none(row.ended_at),
        ending=row.ending,
        message=row.message,
        log_bytes=row.log_size or 0,
        log_complete=bool(row.log_complete),
        log_deleted_at=instant_or_none(row.log_deleted_at),
        progress=row.progress,
        note=row.note,
        label=row.label,
        rendered=Rendered.model_validate_json(row.rendered) if shown_whole and row.rendered else None,
    )


def _metrics(connection: Connection, team_id: str, run: str) -> MetricList:
    of_run = _row(connection, team_id, run)
    points: defaultdict[tuple[Any, ...], list[float]] = defaultdict(list)
    for row in connection.execute(_METRICS, {"run": run}):
        points[row.task, row.map_index, f"{row.task_instance_id}.{row.epoch}", row.name, row.kind].append(row.value)
    items = [
        MetricSummary(
            task=task,
            map_index=map_index,
            attempt=attempt,
            name=name,
            kind=kind,
            count=len(values),
            last=values[-1],
            total=sum(values),
            min=min(values),
            max=max(values),
            p50=nearest_rank(values, 0.5),
            p95=nearest_rank(values, 0.95),
        )
        for (task, map_index, attempt, name, kind), values in points.items()
    ]
    return MetricList(items=items, deleted_at=instant_or_none(of_run.metrics_deleted_at))
