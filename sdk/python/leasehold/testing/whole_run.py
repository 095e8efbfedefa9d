"""One run of one DAG in this process: task after task, attempt after attempt."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from leasehold.authoring.graph import Graph
from leasehold.authoring.nodes import Node
from leasehold.runtime.in_memory.given import Given
from leasehold.runtime.in_memory.given_runs import GivenRuns
from leasehold.runtime.in_memory.host import RESULT_KEY, LocalHost
from leasehold.runtime.in_memory.told import Told
from leasehold.runtime.rules.endings import Ending
from leasehold.runtime.run_facts import Run
from leasehold.runtime.values import decode
from leasehold.testing.clock import Clock, VirtualClock
from leasehold.testing.flow import (
    all_after,
    downstream_of,
    in_order,
    may_be_skipped,
    run_state,
    setups_of,
    state_after,
    state_before,
)
from leasehold.testing.going_on import go_on
from leasehold.testing.mapping import NotExpandedError, gathered, items_of, label_of
from leasehold.testing.results import Log, RunResult, TaskResult
from leasehold.testing.serving import TaskServer
from leasehold.testing.standing import Standing
from leasehold.testing.tries import Place, try_function, try_program
from leasehold.testing.waits import Coming, WaitsInVainError

_NOT_MAPPED: Mapping[str, Any] = {"map_index": -1, "item": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a run has to work with.

    Attributes:
        given: What the API would answer.
        runs: The same, about runs.
        xcoms: What tasks leave for each other.
        coming: What comes of waits.
        clock: What time it is.
        told: Makes what keeps what one attempt tells.
    """

    given: Given
    runs: GivenRuns
    xcoms: dict[tuple[str, str, int], object]
    coming: Coming = field(default_factory=Coming)
    clock: Clock = field(default_factory=VirtualClock)
    told: Callable[[], Told] = Told


class WholeRun:
    """A run, while it runs."""

    def __init__(
        self, graph: Graph, *, means: Means, server: TaskServer, folder: Path, facts: Mapping[str, object]
    ) -> None:
        self._graph = graph
        self._means = means
        self._server = server
        self._folder = folder
        self._facts = facts
        self._tasks: dict[str, TaskResult] = {}
        self._upstream = {task: tuple(node.upstream) for task, node in graph.nodes.items()}
        self._roles = {task: str(node.entry.get("role", "work")) for task, node in graph.nodes.items()}
        self._skipped_by: dict[str, str] = {}
        means.runs.begin(facts, self._how_tasks_stand)

    def go(self, *, only: Collection[str] | None, results: Mapping[str, Mapping[str, object]]) -> RunResult:
        """Run every task (or ``only`` some) after those it waits for; return how it all ended.

        ``results`` is what tasks leave that don't run: task → key → encoded value.
        """
        __tracebackhide__ = True
        for task in in_order(self._upstream):
            if task in results:
                self._tasks[task] = _as_given(task, results[task])
                self._leave_given(task, results[task])
            elif only is not None and task not in only:
                self._tasks[task] = TaskResult(id=task, state="not_run")
            else:
                self._tasks[task] = self._run(self._graph.nodes[task])
        states = {task: found.state for task, found in self._tasks.items()}
        triggered = [Run(facts) for facts in self._means.runs.started.values()]
        ignored = [
            task
            for task, node in self._graph.nodes.items()
            if self._roles[task] == "teardown" and not node.entry.get("fails_run")
        ]
        state = run_state(self._upstream, states, ignored)
        return RunResult(dag=self._graph.dag, state=state, tasks=self._tasks, triggered=triggered)

    def _run(self, node: Node) -> TaskResult:
        __tracebackhide__ = True
        if by := self._skipped_by.get(node.id):
            return TaskResult(id=node.id, state="skipped", error=f"skipped by {by}")
        if (state := self._state_before(node)) != "queued":
            return TaskResult(id=node.id, state=state)
        if node.mapped is None:
            return self._run_instance(node)
        context = self._context(node, attempt="", try_number=1, work_dir=self._folder)
        try:
            items = items_of(node.mapped, self._means.xcoms, context)
        except NotExpandedError as problem:
            return TaskResult(id=node.id, state=problem.state, error=problem.reason)
        each = [self._run_instance(node, {"map_index": index, "item": item}) for index, item in enumerate(items)]
        return gathered(node.id, each)

    def _run_instance(self, node: Node, of: Mapping[str, Any] = _NOT_MAPPED) -> TaskResult:
        """Run a task, or one instance of a mapped one: ``of`` says which."""
        __tracebackhide__ = True
        entry, standing, index = node.entry, Standing(clock=self._means.clock), of["map_index"]
        found, told = TaskResult(id=node.id, state="queued", map_index=index), Told()
        while found.state in ("queued", "up_for_retry", "up_for_reschedule", "deferred"):
            ending, told = self._attempt(node, found, standing, of)
            found.tries += ending.again is None
            found.state = state_after(ending, tries=found.tries, retries=_whole(entry.get("retries", 0)))
            _add(found, told, ending)
            try:
                found.waited_s += go_on(node.id, found.state, ending, standing, entry, self._settle)
            except WaitsInVainError as problem:
                found.tries += 1
                found.state, found.error, found.exception = "failed", str(problem), None
        found.rescheduled = standing.rescheduled
        found.state_kept = {key: decode(value) for key, value in standing.kept.values.items()}
        if found.state == "success":
            values = {key: json.loads(text) for key, text in told.xcoms.items()}
            self._leave(node.id, values, index)
            found.xcoms = {key: decode(value) for key, value in values.items()}
            found.result = found.xcoms.get(RESULT_KEY)
            self._skip(told.skip, by=node.id)
        return found

    def _attempt(self, node: Node, found: TaskResult, standing: Standing, of: Mapping[str, Any]) -> tuple[Ending, Told]:
        __tracebackhide__ = True
        earlier, means = standing.earlier(), self._means
        name = node.id if found.map_index < 0 else f"{node.id}_{found.map_index}"
        attempt = f"test.{name}.{standing.attempts}"
        place = standing.fresh_place(self._folder / name)
        context = self._context(node, attempt=attempt, try_number=found.tries + 1, work_dir=place)
        context |= {**earlier, **of, "task_instance": f"test.{name}"}
        host = LocalHost(
            means.given,
            context=context,
            upstream=node.upstream,
            id_tokens=_names(node, "id_tokens"),
            dags=_names(node, "dags"),
            triggers=_names(node, "triggers"),
            told=means.told(),
            kept=standing.kept,
        )
        variables, timeout = self._server.lead_to(host, attempt), node.options.entry.get("timeout_s")
        timeout_s = float(timeout) if isinstance(timeout, int | float) else None
        at = Place(work_dir=place, variables=variables, timeout_s=timeout_s)
        if node.mapped is not None:
            host.told.label = label_of(node.mapped, context)
        if node.task is None:
            ending, found.exception = try_program(context, host, at), None
        else:
            ending, found.exception = try_function(node.task.at_the_site, context, host, at)
        return ending, host.told

    def _settle(self, wait: Mapping[str, Any], task: str) -> dict[str, object]:
        means = self._means
        run = means.runs.known(str(wait.get("run")))
        return means.coming.of(wait, run=run, own_run=str(self._facts["run"]), clock=means.clock, task=task)

    def _context(self, node: Node, *, attempt: str, try_number: int, work_dir: Path) -> dict[str, Any]:
        """Return the ``TaskContext``, less what came before."""
        xcoms = self._means.xcoms
        file = node.task.function.__code__.co_filename if node.task else node.place[0]
        return {
            "attempt": attempt,
            "task": node.id,
            "task_instance": f"test.{node.id}",
            **_NOT_MAPPED,
            "try_number": try_number,
            "run": self._facts,
            "work": node.work,
            "inputs": {
                f"{task}/{key}": value
                for (task, key, index), value in xcoms.items()
                if task in node.upstream and index < 0
            }
            | self._lists(node.upstream),
            "connections": node.options.connections,
            "variables": node.options.variables,
            "work_dir": str(work_dir),
            "bundle_dir": str(Path(file).resolve().parent),
            "downstream": downstream_of(node.id, self._upstream),
        }

    def _state_before(self, node: Node) -> str:
        ended = self._count_as(node.upstream)
        setups = self._count_as(setups_of(node.id, self._upstream, self._roles))
        rule = str(node.entry.get("trigger_rule", "all_success"))
        waits_for = sum(task not in self._tasks for task in node.upstream)
        return state_before(rule, ended, waits_for=waits_for, setups=setups)

    def _count_as(self, tasks: Iterable[str]) -> list[str]:
        """Return how those of ``tasks`` that ended look to those after them; one left out is in nobody's way."""
        ended = [self._tasks[task] for task in tasks if task in self._tasks]
        states = [one.state for found in ended for one in found.instances or [found]]
        return ["success" if state == "not_run" else state for state in states]

    def _skip(self, tasks: Collection[str], *, by: str) -> None:
        if self._graph.nodes[by].entry.get("skips") == "all":
            tasks = all_after(tasks, self._upstream)
        for task in tasks:
            if self._roles[task] != "teardown" and may_be_skipped(self._state_before(self._graph.nodes[task])):
                self._skipped_by.setdefault(task, by)

    def _leave(self, task: str, values: Mapping[str, object], index: int = -1) -> None:
        self._means.xcoms.update({(task, key, index): value for key, value in values.items()})

    def _leave_given(self, task: str, values: Mapping[str, object]) -> None:
        """Leave what a test gives; of a mapped task it is a list with a value of each instance."""
        for key, value in values.items():
            if self._graph.nodes[task].mapped is not None and isinstance(value, list):
                for index, one in enumerate(value):
                    self._leave(task, {key: one}, index)
            else:
                self._leave(task, {key: value})

    def _lists(self, tasks: Collection[str]) -> dict[str, object]:
        """Return what the instances of mapped tasks left, as lists."""
        found: dict[str, list[object]] = {}
        for task, key, index in sorted(self._means.xcoms):
            if task in tasks and index >= 0:
                found.setdefault(f"{task}/{key}", []).append(self._means.xcoms[task, key, index])
        return dict(found)

    def _how_tasks_stand(self) -> dict[str, Mapping[str, object]]:
        """Return what other tasks may know of each task: those that have not ended stand still while one asks."""
        standing: dict[str, Mapping[str, object]] = {}
        running = next((task for task in in_order(self._upstream) if task not in self._tasks), None)
        for task, node in self._graph.nodes.items():
            found = self._tasks.get(task) or TaskResult(id=task, state="running" if task == running else "none")
            state = "none" if found.state == "not_run" else found.state
            kind = str(node.work["kind"])
            standing[task] = {"state": state, "kind": kind, "try_number": found.tries, "label": found.label}
        return standing


def run_facts(
    dag: str,
    params: Mapping[str, object],
    logical_date: datetime,
    *,
    interval: Mapping[str, str] | None = None,
    previous: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """Return the ``RunFacts`` of a run in a test; ``previous`` is the last one that succeeded."""
    return {
        "run": "test",
        "dag": dag,
        "dag_version": 1,
        "team": "default",
        "trigger": "manual",
        "params": dict(params),
        "logical_date": logical_date.isoformat(),
        **(interval or {}),
        "previous_success": previous,
    }


def _as_given(task: str, values: Mapping[str, object]) -> TaskResult:
    xcoms = {key: decode(value) for key, value in values.items()}
    return TaskResult(id=task, state="success", result=xcoms.get(RESULT_KEY), xcoms=xcoms)


def _add(found: TaskResult, told: Told, ending: Ending) -> None:
    found.log = Log([*found.log, *told.log])
    found.metrics += told.metrics
    found.progress, found.note, found.label = told.progress, told.note, told.label or found.label
    found.error = ending.message if ending.kind != "success" else None


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _names(node: Node, option: str) -> list[str]:
    """Return what the task declared under an option."""
    declared = node.options.entry.get(option)
    return cast("list[str]", declared) if isinstance(declared, list) else []
