"""The ``TaskContext`` of a lease: who the task is and what it was given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast
from urllib.parse import quote, urlencode

from leasehold_agent.host.checks import Object
from leasehold_agent.host.lease import HostLease


def task_context(
    lease: HostLease,
    *,
    work_dir: str,
    fetched: Mapping[str, object],
    item: Object | None = None,
    running_for_s: float = 0.0,
) -> Object:
    """Return the context as JSON.

    Args:
        lease: The lease.
        work_dir: The task's own directory.
        fetched: The inputs that were too large to travel with the lease.
        item: Of a mapped task: what this instance is for, by argument.
        running_for_s: How long this host has run.
    """
    earlier = lease.earlier or {}
    given = {f"{item.task}/{item.key}": item.value for item in lease.inputs if item.inline}
    return {
        "attempt": lease.attempt,
        "task": lease.task,
        "task_instance": lease.task_instance,
        "map_index": lease.map_index,
        "try_number": lease.try_number,
        "run": lease.run,
        "work": lease.work,
        "inputs": {**given, **fetched},
        "item": item,
        "connections": list(lease.connections),
        "variables": list(lease.variables),
        "work_dir": work_dir,
        "bundle_dir": lease.bundle_dir,
        "rescheduled": earlier.get("rescheduled", 0),
        "first_started_at": earlier.get("first_started_at"),
        "running_for_s": round(_number(earlier.get("first_started_ago_s")) + running_for_s, 6),
        "resumed": earlier.get("resumed"),
        "waits": {str(wait.get("key")): wait for wait in _objects(earlier.get("waits"))},
        "downstream": list(lease.downstream or ()),
    }


def inputs_to_fetch(lease: HostLease) -> dict[str, str]:
    """Return ``<task>/<key>`` → where to ask for it, for every input that did not come with the lease."""
    large = [item for item in lease.inputs if not item.inline]
    wanted = {f"{item.task}/{item.key}": xcom_path(item.task, item.key, -1) for item in large if not item.is_mapped}
    if lease.work.get("kind") != "python":  # functions read these as they go
        wanted |= {
            f"{item.task}/{item.key}": mapped_path(item.task, item.key, None, None, run=None)
            for item in large
            if item.is_mapped
        }
    return wanted


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _objects(value: object) -> list[Object]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Object", item) for item in items if isinstance(item, dict)]


def xcom_path(task: str, key: str, map_index: int, *, run: str | None = None, include_prior: bool = False) -> str:
    """Return where a task's XCom is asked for, of this run or (``run``) another of the same DAG."""
    query: dict[str, object] = {"task": task, "map_index": map_index}
    if run is not None:
        query["run"] = run
    if include_prior:
        query["include_prior"] = "true"
    return f"/v1/xcoms/{quote(key, safe='')}?{urlencode(query)}"


def mapped_path(task: str, key: str, offset: int | None, limit: int | None, *, run: str | None) -> str:
    """Return where some of a mapped task's XComs are asked for."""
    query = {"task": task, "offset": offset, "limit": limit, "run": run}
    given = {name: value for name, value in query.items() if value is not None}
    return f"/v1/mapped-xcoms/{quote(key, safe='')}?{urlencode(given)}"
