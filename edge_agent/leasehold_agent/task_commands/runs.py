"""``edge-agent task runs``: what became of earlier runs, how tasks stand, and starting runs of other DAGs."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any

from leasehold.runtime.host import Host
from leasehold.runtime.wire import quote
from leasehold_agent.task_commands.asking import part, shown

_OF_RUNS = ("dag", "run", "state", "logical_date")
_OF_TASKS = ("dag", "run", "logical_date", "task", "state", "map_index")
_HELP = {
    "dag": "another DAG, which the task declared (default: its own)",
    "run": "a run's id, or several with commas in between",
    "state": "only in this state, or one of several with commas in between",
    "logical_date": "a run's logical date, 2026-11-22T06:00:00Z, or several with commas in between",
    "task": "a task's id, or several with commas in between",
    "map_index": "which of a mapped task's instances",
    "before": "a moment, 2026-11-22T06:00:00Z (default: this run's logical date)",
}


def add_runs(group: Any, add_read: Callable[[Any, str, object, str], ArgumentParser]) -> None:
    """Add the commands to the group ``runs``."""
    get = _add(group, add_read, "get", _get, "print a run as JSON", ())
    get.add_argument("run", metavar="RUN")
    _add(group, add_read, "previous", _previous, "print the newest earlier run, or null", ("dag", "before", "state"))
    _add(group, add_read, "count", _count, "print how many runs there are", _OF_RUNS, field=False)
    _add(group, add_read, "tasks", _tasks, "print how tasks stand, those of this run by default", _OF_TASKS)
    _add(
        group, add_read, "count-tasks", _count_tasks, "print how many task instances there are", _OF_TASKS, field=False
    )
    previous = ("dag", "task", "map_index", "before", "state")
    _add(group, add_read, "previous-task", _previous_task, "print how this task stood in the run before", previous)
    dag = _add(group, add_read, "dag", _dag, "print a DAG's newest version as JSON", ())
    dag.add_argument("dag", metavar="DAG")
    trigger = _add(
        group, add_read, "trigger", _trigger, "start a run, once for all tries, and print its id", (), field=False
    )
    trigger.add_argument("dag", metavar="DAG")
    trigger.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE", help="JSON where it can be, else text"
    )
    trigger.add_argument("--logical-date", metavar="TIME", help="what the run is about (default: now)")
    trigger.add_argument("--key", metavar="TEXT", help="names this run among those that the task starts")


def _add(
    group: Any,
    add_read: Callable[[Any, str, object, str], ArgumentParser],
    name: str,
    act: object,
    text: str,
    narrowed: tuple[str, ...],
    *,
    field: bool = True,
) -> ArgumentParser:
    added = add_read(group, name, act, text)
    for each in narrowed:
        added.add_argument(
            f"--{each.replace('_', '-')}", metavar="N" if each == "map_index" else "TEXT", help=_HELP[each]
        )
    if field:
        added.add_argument("--field", metavar="A.B", help="only this part: state, logical_date, 0.state, …")
    return added


def _get(host: Host, given: Namespace) -> str:
    return _printed(host.read(f"/v1/runs/{quote(given.run)}", given.wait), given)


def _previous(host: Host, given: Namespace) -> str:
    path = _path("/v1/runs/previous", given, ("dag", "before", "state"))
    return _printed(host.read(path, given.wait).get("previous"), given)


def _count(host: Host, given: Namespace) -> str:
    return shown(host.read(_path("/v1/runs/count", given, _OF_RUNS), given.wait).get("count"), as_json=True)


def _tasks(host: Host, given: Namespace) -> str:
    return _printed(host.read(_path("/v1/task-instances", given, _OF_TASKS), given.wait).get("items"), given)


def _count_tasks(host: Host, given: Namespace) -> str:
    path = _path("/v1/task-instances/count", given, _OF_TASKS)
    return shown(host.read(path, given.wait).get("count"), as_json=True)


def _previous_task(host: Host, given: Namespace) -> str:
    path = _path("/v1/task-instances/previous", given, ("dag", "task", "map_index", "before", "state"))
    return _printed(host.read(path, given.wait).get("previous"), given)


def _dag(host: Host, given: Namespace) -> str:
    return _printed(host.read(f"/v1/dags/{quote(given.dag)}", given.wait), given)


def _trigger(host: Host, given: Namespace) -> str:
    body = {
        "dag": given.dag,
        "params": dict(_param(text) for text in given.param),
        "logical_date": given.logical_date,
        "key": given.key,
    }
    answer = host.ask("/v1/runs", {name: value for name, value in body.items() if value is not None}, given.wait)
    return shown(answer if given.json else part(answer, "run.run"), as_json=given.json)


def _param(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--param {text!r} is written NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _path(path: str, given: Namespace, narrowed: tuple[str, ...]) -> str:
    query = [f"{name}={quote(value)}" for name in narrowed if (value := getattr(given, name)) is not None]
    return path + ("?" + "&".join(query) if query else "")


def _printed(answer: object, given: Namespace) -> str:
    return shown(part(answer, given.field), as_json=given.json)
