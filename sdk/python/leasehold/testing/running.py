"""Running DAGs and tasks in this process, for tests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence

from leasehold.authoring.calls import call
from leasehold.authoring.dags import Dag
from leasehold.authoring.functions import TaskFunction
from leasehold.authoring.graph import Graph
from leasehold.authoring.tasks import Task
from leasehold.runtime.in_memory.given import GivenObjects
from leasehold.runtime.in_memory.given_runs import GivenRuns
from leasehold.runtime.in_memory.run_objects import GivenDag, GivenRun
from leasehold.runtime.values import decode, encode
from leasehold.testing.failures import RunFailedError, cause_of
from leasehold.testing.results import RunResult, TaskResult
from leasehold.testing.starting import When, moment, refuse_mistakes, run_dag, run_graph
from leasehold.testing.waits import Coming
from leasehold.testing.whole_run import Means


def run(
    dag: Dag[...],
    *,
    params: Mapping[str, object] | None = None,
    connections: Mapping[str, object] | None = None,
    variables: Mapping[str, object] | None = None,
    id_tokens: Mapping[str, str] | None = None,
    events: Mapping[str, object] | None = None,
    answers: Mapping[str, object] | None = None,
    runs: Sequence[GivenRun] = (),
    dags: Mapping[str, GivenDag] | None = None,
    only: Collection[str] | None = None,
    results: Mapping[str, object] | None = None,
    logical_date: When | None = None,
    data_interval: tuple[When, When] | None = None,
    raise_on_failure: bool = True,
) -> RunResult:
    """Run a whole DAG in this process: one task after the other, by the rules of a site, without waiting.

    Args:
        dag: The DAG.
        params: The run's parameters; those left out have their defaults.
        connections: What tasks get, by name: a ``Connection``, a URI, a dictionary of fields, or an error of
            ``leasehold.errors``, which the task is answered with. Tasks have to declare them, as at a site.
        variables: Values by key, or errors. What tasks set is in the result's ``variables``.
        id_tokens: Identity tokens by audience; any text by default.
        events: Values by name, for tasks that wait for events (``defer(event=…)``); ``errors.WaitTimedOut()`` for one
            that does not come in time.
        answers: What people answer (``await_input``), by the question or its key: an option, a list of options, a
            dictionary of params, a pair of both, or ``errors.WaitTimedOut()``.
        runs: Earlier runs, of this DAG and others, for ``leasehold.runs`` and ``defer(run=…)``.
        dags: Other DAGs, and how the runs end that tasks start of them.
        only: The tasks to run; the others are not.
        results: What tasks leave that are not to run: ``{"read_sensors": [1, 2], "read_sensors/late": []}``.
        logical_date: The moment that the run stands for (default: the end of ``data_interval``, or now).
        data_interval: What the run is about, (from, until), as a schedule would say (default: the logical date twice).
        raise_on_failure: Raise when the run fails, with the author's file and line.

    Raises:
        AuthoringError: if the DAG has mistakes that ``leasehold check`` would show.
        RunFailedError: if the run failed.
        ValueError: if a parameter, or a name in ``only`` or ``results``, does not fit the DAG.
        ValueNotSupportedError: if a value that is given can't travel.
    """
    __tracebackhide__ = True
    kept = {key: _encoded(key, value) for key, value in (variables or {}).items()}
    means = _means(connections, kept, id_tokens, Coming(events=events or {}, answers=answers or {}), runs, dags)
    result = run_dag(
        dag, params or {}, means, only=only, results=results, logical_date=logical_date, data_interval=data_interval
    )
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
    events: Mapping[str, object] | None = None,
    answers: Mapping[str, object] | None = None,
    runs: Sequence[GivenRun] = (),
    dags: Mapping[str, GivenDag] | None = None,
    logical_date: When | None = None,
    raise_on_failure: bool = True,
    **kwargs: object,
) -> TaskResult:
    """Try one task once, as a running task; what it raises is raised here, so that ``pytest.raises`` sees it.

    What it waits for comes at once, and looking again later is no other try.

    Arguments and result travel as they do between tasks. Skipping is no failure: see the result's ``state``.

    Args:
        task: The task.
        args: The function's arguments.
        connections: See ``run``.
        variables: See ``run``.
        id_tokens: See ``run``.
        events: See ``run``.
        answers: See ``run``.
        runs: See ``run``.
        dags: See ``run``.
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
    once = Task(task.function, task.id, {**task.given, "retries": 0}, task.options.place, task.manner)
    call(once, graph, args, kwargs)
    refuse_mistakes(graph)
    kept = {key: _encoded(key, value) for key, value in (variables or {}).items()}
    means = _means(connections, kept, id_tokens, Coming(events=events or {}, answers=answers or {}), runs, dags)
    result = run_graph(graph, means, params={}, when=moment(logical_date))
    found = result.tasks[task.id]
    if raise_on_failure and found.state == "failed":
        raise cause_of(result) or RunFailedError(result)
    return found


def _means(
    connections: Mapping[str, object] | None,
    variables: MutableMapping[str, object],
    id_tokens: Mapping[str, str] | None,
    coming: Coming,
    runs: Sequence[GivenRun],
    dags: Mapping[str, GivenDag] | None,
) -> Means:
    xcoms: dict[tuple[str, str, int], object] = {}
    known = GivenRuns(runs, dags)
    given = GivenObjects(connections=connections, variables=variables, xcoms=xcoms, id_tokens=id_tokens, runs=known)
    return Means(given=given, runs=known, xcoms=xcoms, coming=coming)


def _encoded(key: str, value: object) -> object:
    return value if isinstance(value, Exception) else encode(value, f'variables["{key}"]')
