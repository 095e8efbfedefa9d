"""One run of one DAG in this process: task after task, try after try."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from leasehold.authoring.graph import Graph, Node
from leasehold.runtime.in_memory.given import Given
from leasehold.runtime.in_memory.host import RESULT_KEY, LocalHost
from leasehold.runtime.in_memory.told import Told
from leasehold.runtime.rules.endings import Ending
from leasehold.runtime.values import decode
from leasehold.testing.flow import in_order, run_state, state_after, state_before
from leasehold.testing.results import Log, RunResult, TaskResult
from leasehold.testing.serving import TaskServer
from leasehold.testing.tries import Place, try_function, try_program

DEFAULT_RETRY_DELAY_S = 30.0


class WholeRun:
    """A run, while it runs."""

    def __init__(
        self,
        graph: Graph,
        *,
        given: Given,
        xcoms: dict[tuple[str, str, int], object],
        server: TaskServer,
        folder: Path,
        facts: Mapping[str, object],
        told: Callable[[], Told] = Told,
    ) -> None:
        self._graph = graph
        self._given = given
        self._xcoms = xcoms
        self._server = server
        self._folder = folder
        self._facts = facts
        self._told = told
        self._tasks: dict[str, TaskResult] = {}

    def go(self, *, only: Collection[str] | None, results: Mapping[str, Mapping[str, object]]) -> RunResult:
        """Run every task (or ``only`` some) after those it waits for; return how it all ended.

        ``results`` is what tasks leave that don't run: task → key → encoded value.
        """
        __tracebackhide__ = True
        upstream = {task: tuple(node.upstream) for task, node in self._graph.nodes.items()}
        for task in in_order(upstream):
            if task in results:
                self._tasks[task] = _as_given(task, results[task])
                self._leave(task, results[task])
            elif only is not None and task not in only:
                self._tasks[task] = TaskResult(id=task, state="not_run")
            else:
                self._tasks[task] = self._run(self._graph.nodes[task])
        states = {task: found.state for task, found in self._tasks.items()}
        return RunResult(dag=self._graph.dag, state=run_state(upstream, states), tasks=self._tasks)

    def _run(self, node: Node) -> TaskResult:
        __tracebackhide__ = True
        entry = node.options.entry
        state = state_before(
            str(entry.get("trigger_rule", "all_success")), [self._tasks[task].state for task in node.upstream]
        )
        found, told = TaskResult(id=node.id, state=state), Told()
        while found.state in ("queued", "up_for_retry"):
            found.tries += 1
            ending, told = self._try(node, found)
            _add(found, told, ending)
            found.state = state_after(ending, tries=found.tries, retries=_whole(entry.get("retries", 0)))
            if found.state == "up_for_retry":
                usual = _seconds(entry.get("retry_delay_s", DEFAULT_RETRY_DELAY_S))
                found.waited_s += usual if ending.retry_after_s is None else ending.retry_after_s
        if found.state == "success":
            values = {key: json.loads(text) for key, text in told.xcoms.items()}
            self._leave(node.id, values)
            found.xcoms = {key: decode(value) for key, value in values.items()}
            found.result = found.xcoms.get(RESULT_KEY)
        return found

    def _try(self, node: Node, found: TaskResult) -> tuple[Ending, Told]:
        __tracebackhide__ = True
        attempt = f"test.{node.id}.{found.tries}"
        place = self._folder / attempt
        place.mkdir()
        context = self._context(node, attempt=attempt, try_number=found.tries, work_dir=place)
        audiences = node.options.entry.get("id_tokens")
        host = LocalHost(
            self._given,
            context=context,
            upstream=node.upstream,
            id_tokens=audiences if isinstance(audiences, list) else [],
            told=self._told(),
        )
        variables, timeout = self._server.lead_to(host, attempt), node.options.entry.get("timeout_s")
        at = Place(work_dir=place, variables=variables, timeout_s=None if timeout is None else _seconds(timeout))
        if node.task is None:
            ending, found.exception = try_program(context, host, at), None
        else:
            ending, found.exception = try_function(node.task.function, context, host, at)
        return ending, host.told

    def _context(self, node: Node, *, attempt: str, try_number: int, work_dir: Path) -> dict[str, Any]:
        """Return the ``TaskContext``."""
        file = node.task.function.__code__.co_filename if node.task else node.place[0]
        return {
            "attempt": attempt,
            "task": node.id,
            "task_instance": f"test.{node.id}",
            "map_index": -1,
            "try_number": try_number,
            "run": self._facts,
            "work": node.work,
            "inputs": {f"{task}/{key}": self._xcoms[task, key, -1] for task, key in self._left_by(node.upstream)},
            "connections": node.options.connections,
            "variables": node.options.variables,
            "work_dir": str(work_dir),
            "bundle_dir": str(Path(file).resolve().parent),
        }

    def _left_by(self, tasks: Collection[str]) -> list[tuple[str, str]]:
        return [(task, key) for task, key, _ in self._xcoms if task in tasks]

    def _leave(self, task: str, values: Mapping[str, object]) -> None:
        self._xcoms.update({(task, key, -1): value for key, value in values.items()})


def run_facts(dag: str, params: Mapping[str, object], logical_date: datetime) -> dict[str, object]:
    """Return the ``RunFacts`` of a run in a test."""
    return {
        "run": "test",
        "dag": dag,
        "dag_version": 1,
        "team": "default",
        "trigger": "manual",
        "params": dict(params),
        "logical_date": logical_date.isoformat(),
    }


def _as_given(task: str, values: Mapping[str, object]) -> TaskResult:
    xcoms = {key: decode(value) for key, value in values.items()}
    return TaskResult(id=task, state="success", result=xcoms.get(RESULT_KEY), xcoms=xcoms)


def _add(found: TaskResult, told: Told, ending: Ending) -> None:
    found.log = Log([*found.log, *told.log])
    found.metrics += told.metrics
    found.progress, found.note = told.progress, told.note
    found.error = ending.message if ending.kind != "success" else None


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
