"""Rows of runs, task instances and DAGs as the messages that tasks get of them."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, func, select

from leasehold_api.clock import instant, instant_or_none
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.tables import attempts, dag_versions, dags, runs, task_instances
from leasehold_protocol.v1.manifest import Manifest
from leasehold_protocol.v1.runs import RunState, TaskState
from leasehold_protocol.v1.task_runs import DagFacts, TaskInstanceFacts, TaskRun

RUNS = (
    select(runs, dags.c.name.label("dag"), dag_versions.c.version)
    .join(dags, dags.c.id == runs.c.dag_id)
    .join(dag_versions, dag_versions.c.id == runs.c.dag_version_id)
)

_TRIES = (
    select(func.max(attempts.c.try_number)).where(attempts.c.task_instance_id == task_instances.c.id).scalar_subquery()
)
_LABEL = (
    select(attempts.c.label)
    .where(attempts.c.task_instance_id == task_instances.c.id, attempts.c.epoch == task_instances.c.epoch)
    .scalar_subquery()
)

TASK_INSTANCES = (
    select(task_instances, runs.c.logical_date, _TRIES.label("try_number"), _LABEL.label("label"))
    .join(runs, runs.c.id == task_instances.c.run_id)
    .join(dags, dags.c.id == runs.c.dag_id)
)

NEWEST_VERSIONS = select(
    dags.c.name, dag_versions.c.version, dag_versions.c.manifest, dag_versions.c.created_at, dag_versions.c.created_by
).join(dag_versions, (dag_versions.c.dag_id == dags.c.id) & (dag_versions.c.version == dags.c.version))


def run(row: Row[Any], *, with_params: bool = False) -> TaskRun:
    """Return the message for a row of ``RUNS``."""
    return TaskRun(
        run=row.id,
        dag=row.dag,
        dag_version=row.version,
        state=RunState(row.state),
        trigger=row.trigger,
        logical_date=instant(row.logical_date),
        data_interval_start=instant_or_none(row.data_interval_start),
        data_interval_end=instant_or_none(row.data_interval_end),
        created_at=instant(row.created_at),
        started_at=instant_or_none(row.started_at),
        ended_at=instant_or_none(row.ended_at),
        params=json.loads(row.params) if with_params else None,
    )


def task_instance(connection: Connection, plans: Plans, row: Row[Any]) -> TaskInstanceFacts:
    """Return the message for a row of ``TASK_INSTANCES``."""
    return TaskInstanceFacts(
        run=row.run_id,
        task=row.task,
        map_index=row.map_index,
        state=TaskState(row.state),
        kind=plans.get(connection, row.dag_version_id).entries[row.task].work.kind,
        try_number=row.try_number or 0,
        logical_date=instant(row.logical_date),
        queued_at=instant_or_none(row.queued_at),
        started_at=instant_or_none(row.started_at),
        ended_at=instant_or_none(row.ended_at),
        label=row.label,
    )


def dag(row: Row[Any]) -> DagFacts:
    """Return the message for a row of ``NEWEST_VERSIONS``."""
    manifest = Manifest.model_validate_json(row.manifest)
    return DagFacts(
        dag=row.name,
        version=row.version,
        description=manifest.description,
        tasks=[entry.id for entry in manifest.tasks],
        deployed_at=instant(row.created_at),
        deployed_by=row.created_by,
    )
