"""Runs, as a host in memory is told of them: the port, who asks, and the calls."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from leasehold.errors import UndeclaredError
from leasehold.runtime.in_memory.calls import Answer, Calls, Query
from leasehold.runtime.rules import run_questions
from leasehold.runtime.rules.refusals import RefusedRequestError

Facts = Mapping[str, object]
"""A ``TaskRun``, a ``TaskInstanceFacts`` or a ``DagFacts``, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """The task that asks, and what it declared.

    Attributes:
        task: Its id; empty where none is running.
        task_instance: The id of this task in this run.
        run: Its run's id.
        dag: Its DAG.
        logical_date: The moment its run stands for, RFC 3339.
        map_index: Which of the mapped instances it is; -1: not mapped.
        dags: The other DAGs that it may look at; None: any.
        triggers: The DAGs that it may start runs of, and look at; None: any.
    """

    task: str
    task_instance: str
    run: str
    dag: str
    logical_date: str
    map_index: int
    dags: Collection[str] | None
    triggers: Collection[str] | None

    def require_readable(self, dag: str) -> None:
        """Let it look at its own DAG and at those that it declared.

        Raises:
            UndeclaredError: saying which option of the task lacks the DAG.
        """
        anything = self.dags is None or self.triggers is None
        if dag != self.dag and not anything and dag not in (*(self.dags or ()), *(self.triggers or ())):
            raise self._undeclared(dag, "dags")

    def require_startable(self, dag: str) -> None:
        """Let it start runs of the DAGs that it declared.

        Raises:
            UndeclaredError: saying which option of the task lacks the DAG.
        """
        if self.triggers is not None and dag not in self.triggers:
            raise self._undeclared(dag, "triggers")

    def _undeclared(self, dag: str, option: str) -> UndeclaredError:
        cure = f"add {option}=[{dag!r}] to the task and deploy again"
        return UndeclaredError(f"task {self.task} did not declare the DAG {dag}: {cure}")


class Runs(Protocol):
    """What the API would answer about runs. Errors of ``leasehold.errors`` are its refusals."""

    def run(self, reader: Reader, run: str, /) -> Facts:
        """Return a run with its parameters, encoded."""
        ...

    def previous_run(self, reader: Reader, asked: Query, /) -> Facts | None:
        """Return the newest run by logical date before a moment."""
        ...

    def count_runs(self, reader: Reader, asked: Query, /) -> int:
        """Return how many runs there are."""
        ...

    def task_instances(self, reader: Reader, asked: Query, /) -> Sequence[Facts]:
        """Return task instances."""
        ...

    def count_task_instances(self, reader: Reader, asked: Query, /) -> int:
        """Return how many task instances there are."""
        ...

    def previous_task_instance(self, reader: Reader, asked: Query, /) -> Facts | None:
        """Return the same task's instance in the newest run before a moment."""
        ...

    def dag(self, reader: Reader, dag: str, /) -> Facts:
        """Return a DAG's newest version."""
        ...

    def trigger(self, reader: Reader, asked: Mapping[str, object], /) -> Facts:
        """Make a run, or return the one that the task made under the same key: a ``TriggeredRun``."""
        ...


@dataclass(frozen=True, slots=True)
class RunCalls:
    """The room of ``/v1/runs``, ``/v1/task-instances`` and ``/v1/dags``."""

    reader: Reader
    runs: Runs

    def calls(self) -> Calls:
        """Return the paths of this room."""
        return {
            "/v1/runs": {"POST": self._trigger},
            "/v1/runs/": {"GET": self._runs},
            "/v1/task-instances": {"GET": self._task_instances},
            "/v1/task-instances/": {"GET": self._task_instances},
            "/v1/dags/": {"GET": self._dag},
        }

    def _trigger(self, _: str, __: Query, body: bytes) -> Answer:
        return self.runs.trigger(self.reader, run_questions.triggered(body))

    def _runs(self, name: str, query: Query, _: bytes) -> Answer:
        asked = run_questions.known_names(query, run_questions.of_runs(name))
        match name:
            case "previous":
                return {"previous": self.runs.previous_run(self.reader, asked)}
            case "count":
                return {"count": self.runs.count_runs(self.reader, asked)}
            case _:
                found = self.runs.run(self.reader, name)
                if found.get("state") == "running" and _seconds(asked.get("wait_s", "0")) > 0:
                    raise _for_ever(name)  # whoever waits would ask again and again
                return found

    def _task_instances(self, name: str, query: Query, _: bytes) -> Answer:
        if name == "previous":
            whole = {"task": self.reader.task, "map_index": str(self.reader.map_index), **query}
            asked = run_questions.known_names(whole, run_questions.OF_PREVIOUS_TASK)
            return {"previous": self.runs.previous_task_instance(self.reader, asked)}
        asked = run_questions.known_names(query, run_questions.OF_TASKS)
        if name == "count":
            return {"count": self.runs.count_task_instances(self.reader, asked)}
        if name:
            raise RefusedRequestError(404, "not_found", f"there is no /v1/task-instances/{name} here")
        return {"items": list(self.runs.task_instances(self.reader, asked)), "more": False}

    def _dag(self, name: str, query: Query, _: bytes) -> Answer:
        run_questions.known_names(query, ())
        return self.runs.dag(self.reader, name)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RefusedRequestError(422, "invalid_request", f"wait_s must be seconds, not {text[:40]!r}") from None


def _for_ever(run: str) -> RefusedRequestError:
    cure = "give it another state (GivenRun), or its DAG another end (GivenDag)"
    detail = f"the run {run} is running, and in a test nobody ends it, so that waiting for it is in vain: {cure}"
    return RefusedRequestError(503, "unavailable", detail)
