"""From a DAG, or the graph of one task, to a run in this process."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from leasehold.authoring.compile import draw
from leasehold.authoring.dags import Dag
from leasehold.authoring.graph import Graph
from leasehold.authoring.params import fits
from leasehold.runtime.in_memory.run_objects import interval
from leasehold.runtime.values import plain
from leasehold.testing.left_out import check_only, given_results
from leasehold.testing.results import RunResult
from leasehold.testing.serving import TaskServer
from leasehold.testing.whole_run import Means, WholeRun, run_facts

When = datetime | date | str


def run_dag(
    dag: object,
    params: Mapping[str, object],
    means: Means,
    *,
    only: Collection[str] | None = None,
    results: Mapping[str, object] | None = None,
    logical_date: When | None = None,
    data_interval: tuple[When, When] | None = None,
) -> RunResult:
    """Run a whole DAG; the arguments are those of ``leasehold.testing.run``."""
    __tracebackhide__ = True
    if not isinstance(dag, Dag):
        raise TypeError(f"{dag!r} is no DAG: pass the function that has @dag on it")
    graph, schema = draw(dag)
    refuse_mistakes(graph)
    left = given_results(graph, results or {})
    check_only(graph, only, left)
    values = _params(dag.name, params, schema)
    about = interval(data_interval)
    when = moment(logical_date or (None if data_interval is None else data_interval[1]))
    return run_graph(graph, means, params=values, only=only, results=left, when=when, about=about)


def run_graph(
    graph: Graph,
    means: Means,
    *,
    params: Mapping[str, object],
    when: datetime,
    about: Mapping[str, str] | None = None,
    only: Collection[str] | None = None,
    results: Mapping[str, Mapping[str, object]] | None = None,
) -> RunResult:
    """Run the tasks of a graph, whose parameters and results have been checked; ``about`` is its data interval."""
    __tracebackhide__ = True
    previous = means.runs.previous_success(graph.dag, when)
    facts = run_facts(graph.dag, params, when, interval=about, previous=previous)
    with TemporaryDirectory(prefix="lh-run-") as folder, TaskServer() as server:
        this = WholeRun(graph, means=means, server=server, folder=Path(folder), facts=facts)
        return this.go(only=only, results=results or {})


def refuse_mistakes(graph: Graph) -> None:
    """Raise the first mistake in a DAG, if there is one.

    Raises:
        AuthoringError: with its place and cure.
    """
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


def moment(when: When | None) -> datetime:
    """Return the moment that a run stands for (default: now); without a time zone it is UTC."""
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
