"""Runs: what became of earlier ones, how the tasks of this one stand, and starting runs of other DAGs.

A task may look at its own DAG, and at the DAGs that it declared (``@task(dags=[…])``, ``@task(triggers=[…])``).
"""

from __future__ import annotations

import time

from leasehold.errors import RefusedError, UnavailableError
from leasehold.runtime.host import host_or_outside
from leasehold.runtime.run_facts import DagFacts, Run, TaskInstance
from leasehold.runtime.values import encode
from leasehold.runtime.wire import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta
    from typing import Any

    Several = str | Sequence[str]
    Dates = datetime | str | Sequence[datetime | str]

__all__ = ["DagFacts", "Run", "TaskInstance", "count", "count_tasks", "dag", "get", "previous", "previous_task"]
__all__ += ["tasks", "trigger", "wait"]

_LOOK_S = 20.0
"""How long one question waits for a run's end; then it is asked again."""


def get(run: str) -> Run:
    """Return the run with this id, its parameters included.

    Raises:
        NotFoundError: if there is none.
        UndeclaredError: if it is of a DAG that the task did not declare.
    """
    return Run(host_or_outside().read(f"/v1/runs/{quote(run)}"))


def previous(
    state: Several | None = None, *, dag: str | None = None, before: datetime | str | None = None
) -> Run | None:
    """Return the newest earlier run by logical date, or None: ``runs.previous("success")`` is the last success.

    Args:
        state: Only in this state, or one of these: ``running``, ``success``, ``failed``, ``cancelled``.
        dag: Another DAG (default: the task's own).
        before: A moment (default: this run's logical date).

    Raises:
        UndeclaredError: if the task did not declare the DAG.
    """
    found = host_or_outside().read(_path("/v1/runs/previous", dag=dag, before=before, state=state)).get("previous")
    return Run(found) if isinstance(found, dict) else None


def count(
    *,
    dag: str | None = None,
    run: Several | None = None,
    state: Several | None = None,
    logical_date: Dates | None = None,
) -> int:
    """Return how many runs a DAG has (default: the task's own), by id, state or logical date.

    Raises:
        UndeclaredError: if the task did not declare the DAG.
    """
    return _number(_path("/v1/runs/count", dag=dag, run=run, state=state, logical_date=logical_date))


def tasks(
    *,
    run: Several | None = None,
    dag: str | None = None,
    logical_date: Dates | None = None,
    task: Several | None = None,
    state: Several | None = None,
    map_index: int | None = None,
) -> list[TaskInstance]:
    """Return how tasks stand: those of this run, unless runs, a DAG or logical dates are named.

    Raises:
        UndeclaredError: if the task did not declare the DAG.
        RefusedError: if there are more than 5000: ask for fewer.
    """
    narrowed = _path(
        "/v1/task-instances", dag=dag, run=run, logical_date=logical_date, task=task, state=state, map_index=map_index
    )
    answer = host_or_outside().read(narrowed)
    if answer.get("more"):
        raise RefusedError("there are more task instances than one answer has: name fewer runs, tasks or states")
    items = answer.get("items")
    return [TaskInstance(item) for item in items] if isinstance(items, list) else []


def count_tasks(
    *,
    run: Several | None = None,
    dag: str | None = None,
    logical_date: Dates | None = None,
    task: Several | None = None,
    state: Several | None = None,
    map_index: int | None = None,
) -> int:
    """Return how many task instances there are, chosen as in ``tasks``.

    Raises:
        UndeclaredError: if the task did not declare the DAG.
    """
    path = "/v1/task-instances/count"
    return _number(
        _path(path, dag=dag, run=run, logical_date=logical_date, task=task, state=state, map_index=map_index)
    )


def previous_task(
    task: str | None = None,
    *,
    state: Several | None = None,
    dag: str | None = None,
    map_index: int | None = None,
    before: datetime | str | None = None,
) -> TaskInstance | None:
    """Return how this task (or another one) stood in the newest earlier run that has it, or None.

    Raises:
        UndeclaredError: if the task did not declare the DAG.
    """
    path = "/v1/task-instances/previous"
    found = host_or_outside().read(_path(path, dag=dag, task=task, map_index=map_index, before=before, state=state))
    instance = found.get("previous")
    return TaskInstance(instance) if isinstance(instance, dict) else None


def dag(dag: str) -> DagFacts:
    """Return what is known of a DAG: its newest version, description and tasks.

    Raises:
        NotFoundError: if it is not deployed.
        UndeclaredError: if the task did not declare it.
    """
    return DagFacts(host_or_outside().read(f"/v1/dags/{quote(dag)}"))


def trigger(
    dag: str,
    params: Mapping[str, object] | None = None,
    *,
    logical_date: datetime | str | None = None,
    key: str | None = None,
    wait: bool | float | str | timedelta = False,
) -> Run:
    """Start a run of a DAG that the task declared with ``triggers=[…]``, and return it.

    However often the task is tried, the run is started once: a later try gets the same run. What tells one from
    another is ``key``, or without one the parameters and the logical date.

    Args:
        dag: The DAG, in its newest version.
        params: Its parameters.
        logical_date: What the run is about (default: now).
        key: Names this run among those that the task starts.
        wait: True, or how long: return when it has ended. The task keeps its slot meanwhile.

    Raises:
        UndeclaredError: if the task did not declare it.
        NotFoundError: if it is not deployed.
        RefusedError: if the parameters don't fit, or 32 runs have started one another in a row.
        UnavailableError: if it has not ended within ``wait``; it goes on.
    """
    body = {
        "dag": dag,
        "params": {name: encode(value, f"params[{name!r}]") for name, value in (params or {}).items()},
        "logical_date": _moment(logical_date),
        "key": key,
    }
    given = {name: value for name, value in body.items() if value is not None}
    found = host_or_outside().ask("/v1/runs", given).get("run")
    if not isinstance(found, dict):
        raise RefusedError("the answer names no run: the agent and the SDK are of different kinds")
    started = Run(found)
    return started if wait is False else _ended(started.run, None if wait is True else wait)


def wait(run: str, timeout: float | str | timedelta | None = None) -> Run:
    """Return a run once it has ended. The task keeps its slot meanwhile.

    Raises:
        UnavailableError: if it has not ended within ``timeout``; it goes on.
    """
    return _ended(run, timeout)


def _ended(run: str, timeout: float | str | timedelta | None) -> Run:
    from leasehold.durations import seconds

    ends_at = None if timeout is None else time.monotonic() + seconds(timeout)
    while True:
        left_s = _LOOK_S if ends_at is None else max(0.0, min(_LOOK_S, ends_at - time.monotonic()))
        found = Run(host_or_outside().read(f"/v1/runs/{quote(run)}?wait_s={left_s:.3f}"))
        if found.has_ended:
            return found
        if ends_at is not None and time.monotonic() >= ends_at:
            raise UnavailableError(f"the run {run} has not ended in time ({timeout}); it goes on")


def _number(path: str) -> int:
    found = host_or_outside().read(path).get("count")
    return found if isinstance(found, int) else 0


def _path(path: str, **narrowed: object) -> str:
    query = [f"{name}={quote(_text(value))}" for name, value in narrowed.items() if value is not None]
    return path + ("?" + "&".join(query) if query else "")


def _text(value: object) -> str:
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(_text(each) for each in value)
    return str(_moment(value) if hasattr(value, "isoformat") else value)


def _moment(value: Any) -> str | None:
    """Return RFC 3339 text.

    Raises:
        ValueError: if it does not say of which time zone it is.
    """
    if value is None or isinstance(value, str):
        return value
    if getattr(value, "tzinfo", None) is None:
        raise ValueError(f"{value!r} has no time zone: use datetime(…, tzinfo=…)")
    return str(value.isoformat())
