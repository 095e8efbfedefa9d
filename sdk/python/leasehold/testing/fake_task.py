"""A task that is running, as far as the code under test can tell: for functions that ask without being tasks."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from leasehold.runtime.host import InMemory
from leasehold.runtime.in_memory.given import GivenObjects
from leasehold.runtime.in_memory.given_runs import GivenRuns
from leasehold.runtime.in_memory.host import LocalHost
from leasehold.runtime.in_memory.kept import Kept
from leasehold.runtime.in_memory.run_objects import GivenDag, GivenRun
from leasehold.runtime.run_facts import Run
from leasehold.runtime.values import decode, encode
from leasehold.testing.results import Log
from leasehold.testing.whole_run import run_facts


class FakeTask:
    """A running task for the length of a ``with`` block; what it was told can be looked at any time.

        with FakeTask(connections={"plant_db": "sqlite:///…"}) as task:
            refresh_cache()
        assert task.variables["cache/size"] == 3

    It has declared whatever it was given, and nothing else.
    """

    def __init__(
        self,
        *,
        connections: Mapping[str, object] | None = None,
        variables: Mapping[str, object] | None = None,
        xcoms: Mapping[str, Mapping[str, object]] | None = None,
        params: Mapping[str, object] | None = None,
        id_tokens: Mapping[str, str] | None = None,
        task: str = "task",
        try_number: int = 1,
        logical_date: datetime | None = None,
        work_dir: Path | None = None,
        runs: Sequence[GivenRun] = (),
        dags: Mapping[str, GivenDag] | None = None,
        downstream: Sequence[str] = (),
    ) -> None:
        """Make one.

        Args:
            connections: What it may ask for, by name: a ``Connection``, a URI, a dictionary, or an error to raise.
            variables: Values by key, or errors; a value of ``None`` is a variable that is None.
            xcoms: What upstream tasks left: task → key → value.
            params: The run's parameters.
            id_tokens: Identity tokens by audience.
            task: Its id.
            try_number: From 1.
            logical_date: The moment that its run stands for (default: now).
            work_dir: Its working directory as ``context()`` says it (default: the current one).
            runs: Earlier runs, for ``leasehold.runs``.
            dags: Other DAGs.
            downstream: The tasks that depend on it directly.
        """
        self._variables: MutableMapping[str, object] = {}
        self._runs = GivenRuns(runs, dags)
        self._given = GivenObjects(
            connections={}, variables=self._variables, xcoms={}, id_tokens=id_tokens, runs=self._runs
        )
        when = logical_date or datetime.now(UTC)
        previous = self._runs.previous_success("test", when)
        self._context: dict[str, Any] = {
            "attempt": f"test.{task}.{try_number}",
            "task": task,
            "task_instance": f"test.{task}",
            "map_index": -1,
            "try_number": try_number,
            "run": run_facts("test", params or {}, when, previous=previous),
            "work": {},
            "inputs": {},
            "connections": [],
            "variables": [],
            "work_dir": str(work_dir or Path.cwd()),
            "bundle_dir": None,
            "downstream": list(downstream),
        }
        self._runs.begin(self._context["run"], lambda: {task: {"state": "running"}})
        self._kept = Kept()
        self._upstream: list[str] = []
        audiences = None if id_tokens is None else list(id_tokens)
        self._host = LocalHost(
            self._given, context=self._context, upstream=self._upstream, id_tokens=audiences, kept=self._kept
        )
        self._installed: list[InMemory] = []
        self.give(connections=connections, variables=variables, xcoms=xcoms)

    def give(
        self,
        *,
        connections: Mapping[str, object] | None = None,
        variables: Mapping[str, object] | None = None,
        xcoms: Mapping[str, Mapping[str, object]] | None = None,
    ) -> None:
        """Give it more; the arguments are those of the class."""
        more = GivenObjects(connections=connections)
        self._given.connections.update(more.connections)
        for key, value in (variables or {}).items():
            self._variables[key] = value if isinstance(value, Exception) else encode(value, f'variables["{key}"]')
        for task, left in (xcoms or {}).items():
            found = {(task, key, -1): encode(value, key) for key, value in left.items()}
            self._given.left.values = {**self._given.left.values, **found}
        self._upstream += xcoms or {}
        self._context["connections"] += connections or {}
        self._context["variables"] += variables or {}

    @property
    def variables(self) -> dict[str, Any]:
        """The variables as they are now."""
        return {key: decode(value) for key, value in self._variables.items()}

    @property
    def xcoms(self) -> dict[str, Any]:
        """What was pushed, by key, as other tasks would get it."""
        import json

        return {key: decode(json.loads(text)) for key, text in self._host.told.xcoms.items()}

    @property
    def log(self) -> Log:
        """What was logged with ``leasehold.log``."""
        return Log(self._host.told.log)

    @property
    def metrics(self) -> list[Any]:
        """What was measured."""
        return list(self._host.told.metrics)

    @property
    def progress(self) -> float | None:
        """What the last heartbeat said."""
        return self._host.told.progress

    @property
    def note(self) -> str | None:
        """What the last heartbeat said."""
        return self._host.told.note

    @property
    def label(self) -> str | None:
        """What it called itself."""
        return self._host.told.label

    @property
    def state_kept(self) -> dict[str, Any]:
        """What it keeps, by key."""
        return {key: decode(value) for key, value in self._kept.values.items()}

    @property
    def skipped(self) -> list[str]:
        """The tasks that it skips if it succeeds."""
        return list(self._host.told.skip)

    @property
    def triggered(self) -> list[Run]:
        """The runs that it started."""
        return [Run(facts) for facts in self._runs.started.values()]

    def __enter__(self) -> Self:
        self._installed.append(InMemory(self._host))
        self._installed[-1].__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._installed.pop().__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"<a running task: {len(self.log)} log records, {len(self.metrics)} metrics, XComs {self.xcoms!r}>"
