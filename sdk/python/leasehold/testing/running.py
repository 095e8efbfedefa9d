"""Running DAGs and tasks in this process: for tests, and by hand."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from leasehold.authoring.calls import call
from leasehold.authoring.compile import draw
from leasehold.authoring.dags import Dag
from leasehold.authoring.functions import TaskFunction
from leasehold.authoring.graph import Graph
from leasehold.authoring.params import fits
from leasehold.authoring.tasks import Task
from leasehold.runtime.in_memory.given import Given, GivenObjects
from leasehold.runtime.in_memory.told import LogRecord, Told
from leasehold.runtime.outside.stand_in import Surroundings
from leasehold.runtime.values import decode, encode, plain
from leasehold.testing.failures import RunFailedError, cause_of
from leasehold.testing.left_out import check_only, given_results
from leasehold.testing.results import RunResult, TaskResult
from leasehold.testing.serving import TaskServer
from leasehold.testing.whole_run import WholeRun, run_facts

When = datetime | date | str


def run(
    dag: Dag[...],
    *,
    params: Mapping[str, object] | None = None,
    connections: Mapping[str, object] | None = None,
    variables: Mapping[str, object] | None = None,
    id_tokens: Mapping[str, str] | None = None,
    only: Collection[str] | None = None,
    results: Mapping[str, object] | None = None,
    logical_date: When | None = None,
    raise_on_failure: bool = True,
) -> RunResult:
    """Run a whole DAG in this process: one task after the other, by the rules of a site, without waiting for retries.

    Args:
        dag: The DAG.
        params: The run's parameters; those left out have their defaults.
        connections: What tasks get, by name: a ``Connection``, a URI, a dictionary of fields, or an error of
            ``leasehold.errors``, which the task is answered with. Tasks have to declare them, as at a site.
        variables: Values by key, or errors. What tasks set is in the result's ``variables``.
        id_tokens: Identity tokens by audience; any text by default.
        only: The tasks to run; the others are not.
        results: What tasks leave that are not to run: ``{"read_sensors": [1, 2], "read_sensors/late": []}``.
        logical_date: The moment that the run stands for (default: now).
        raise_on_failure: Raise when the run fails, with the author's file and line.

    Raises:
        AuthoringError: if the DAG has mistakes that ``leasehold check`` would show.
        RunFailedError: if the run failed.
        ValueError: if a parameter, or a name in ``only`` or ``results``, does not fit the DAG.
        ValueNotSupportedError: if a value that is given can't travel.
    """
    __tracebackhide__ = True
    xcoms: dict[tuple[str, str, int], object] = {}
    kept = {key: _encoded(key, value) for key, value in (variables or {}).items()}
    given = GivenObjects(connections=connections, variables=kept, xcoms=xcoms, id_tokens=id_tokens)
    result = _run(dag, params or {}, given, xcoms, only=only, results=results or {}, logical_date=logical_date)
    result.variables = {key: decode(value) for key, value in kept.items()}
    if raise_on_failure and result.state == "failed":
        raise RunFailedError(result) from cause_of(result)
    return result


def run_task(
    task: Callable[..., object],
    *args: object,
    connections: Mapping[str, object] | None = None,
    variables: Mapping[str, object] | None = None,
    id_tokens: Mapping[str, str] | None = None,
    logical_date: When | None = None,
    raise_on_failure: bool = True,
    **kwargs: object,
) -> TaskResult:
    """Try one task once, as a running task; what it raises is raised here, so that ``pytest.raises`` sees it.

    Arguments and result travel as they do between tasks. Skipping is no failure: see the result's ``state``.

    Args:
        task: The task.
        args: The function's arguments.
        connections: See ``run``.
        variables: See ``run``.
        id_tokens: See ``run``.
        logical_date: See ``run``.
        raise_on_failure: Raise what the task raises.
        kwargs: More of the function's arguments.

    Raises:
        TypeError: if ``task`` is no task.
        BaseException: what the task raises.
    """
    __tracebackhide__ = True
    if not isinstance(task, TaskFunction):
        raise TypeError(f"{task!r} is no task: put @task on it, or just call it")
    graph = Graph("run_task", [])
    once = Task(task.function, task.id, {**task.given, "retries": 0}, task.options.place)
    call(once, graph, args, kwargs)
    _refuse(graph)
    xcoms: dict[tuple[str, str, int], object] = {}
    kept = {key: _encoded(key, value) for key, value in (variables or {}).items()}
    given = GivenObjects(connections=connections, variables=kept, xcoms=xcoms, id_tokens=id_tokens)
    result = _go(graph, given, xcoms, params={}, only=None, results={}, when=_instant(logical_date))
    found = result.tasks[task.id]
    if raise_on_failure and found.state == "failed":
        raise cause_of(result) or RunFailedError(result)
    return found


def run_here(dag: Dag[...], params: Mapping[str, object] | None = None) -> RunResult:
    """Run a whole DAG by hand: connections and variables come from the environment and ``leasehold.toml``.

    The log goes to standard error as it is written.

    Raises:
        SystemExit: with 1, if the run fails; why is on standard error.
    """
    xcoms: dict[tuple[str, str, int], object] = {}
    given = _SurroundingsOfARun(xcoms)
    result = _run(dag, params or {}, given, xcoms, only=None, results={}, logical_date=None, told=_told_aloud)
    for task in result.tasks.values():
        print(repr(task)[1:-1], file=sys.stderr)  # noqa: T201 - the answer to whoever ran the script
    if result.state == "failed":
        raise SystemExit(1)
    return result


class _SurroundingsOfARun(Surroundings):
    """What lies around, and what the tasks of this run leave for each other."""

    def __init__(self, xcoms: Mapping[tuple[str, str, int], object]) -> None:
        super().__init__()
        self._left = GivenObjects(xcoms=xcoms)

    def xcom(self, task: str, key: str, map_index: int) -> object:
        return self._left.xcom(task, key, map_index)


class _Aloud(list[LogRecord]):
    """A log that is read as it is written. What was printed has been seen."""

    def append(self, record: LogRecord) -> None:
        super().append(record)
        if record.level not in ("stdout", "stderr"):
            print(record, file=sys.__stderr__, flush=True)


def _told_aloud() -> Told:
    return Told(log=_Aloud())


def _run(
    dag: object,
    params: Mapping[str, object],
    given: Given,
    xcoms: dict[tuple[str, str, int], object],
    *,
    only: Collection[str] | None,
    results: Mapping[str, object],
    logical_date: When | None,
    told: Callable[[], Told] = Told,
) -> RunResult:
    __tracebackhide__ = True
    if not isinstance(dag, Dag):
        raise TypeError(f"{dag!r} is no DAG: pass the function that has @dag on it")
    graph, schema = draw(dag)
    _refuse(graph)
    left = given_results(graph, results)
    check_only(graph, only, left)
    values = _params(dag.name, params, schema)
    when = _instant(logical_date)
    return _go(graph, given, xcoms, params=values, only=only, results=left, when=when, told=told)


def _go(
    graph: Graph,
    given: Given,
    xcoms: dict[tuple[str, str, int], object],
    *,
    params: Mapping[str, object],
    only: Collection[str] | None,
    results: Mapping[str, Mapping[str, object]],
    when: datetime,
    told: Callable[[], Told] = Told,
) -> RunResult:
    __tracebackhide__ = True
    facts = run_facts(graph.dag, params, when)
    with TemporaryDirectory(prefix="lh-run-") as folder, TaskServer() as server:
        this = WholeRun(graph, given=given, xcoms=xcoms, server=server, folder=Path(folder), facts=facts, told=told)
        return this.go(only=only, results=results)


def _refuse(graph: Graph) -> None:
    if graph.mistakes:
        raise graph.mistakes[0]


def _params(dag: str, given: Mapping[str, object], schema: Mapping[str, Any]) -> dict[str, object]:
    """Return the run's parameters, checked as they are when a run is triggered."""
    properties: Mapping[str, Any] = schema["properties"]
    for name in given:
        if name not in properties:
            raise ValueError(f"the DAG {dag!r} has no parameter {name!r}; it has: {', '.join(properties) or 'none'}")
    values: dict[str, object] = {}
    for name, entry in properties.items():
        if name not in given and "default" not in entry:
            raise ValueError(f"the DAG {dag!r} needs the parameter {name!r}: params={{'{name}': …}}")
        values[name] = plain(given[name], f"the parameter {name!r}") if name in given else entry["default"]
        if not fits(values[name], entry):
            raise ValueError(f"the parameter {name!r} is {values[name]!r}, but its type says {entry}")
    return values


def _encoded(key: str, value: object) -> object:
    return value if isinstance(value, Exception) else encode(value, f'variables["{key}"]')


def _instant(when: When | None) -> datetime:
    match when:
        case None:
            return datetime.now(UTC)
        case str():
            found = datetime.fromisoformat(when)
        case datetime():
            found = when
        case _:
            found = datetime(when.year, when.month, when.day, tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
