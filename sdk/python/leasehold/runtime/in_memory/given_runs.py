"""What a test gives about runs, told as the API tells it; and the runs that tasks start."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain

from leasehold.errors import NotFoundError, RefusedError
from leasehold.runtime.in_memory.calls import Query
from leasehold.runtime.in_memory.run_objects import (
    RUN_STATES,
    TASK_STATES,
    GivenDag,
    GivenRun,
    instant,
    interval,
    text,
)
from leasehold.runtime.in_memory.runs import Facts, Reader
from leasehold.runtime.values import encode


class GivenRuns:
    """What a test gives, beside the run under test.

    Attributes:
        started: The runs that tasks started, as JSON.
    """

    def __init__(
        self, runs: Iterable[GivenRun] = (), dags: Mapping[str, GivenDag] | None = None, *, may_start: bool = True
    ) -> None:
        self.started: dict[tuple[str, str], Facts] = {}
        self._given = list(runs)
        self._dags = dags or {}
        self._may_start = may_start
        self._own: dict[str, object] = {}
        self._standing: Callable[[], Mapping[str, Facts]] = dict

    def begin(self, run: Mapping[str, object], standing: Callable[[], Mapping[str, Facts]]) -> None:
        """Say which run is under test.

        Args:
            run: Its ``RunFacts``.
            standing: Returns what is known of its tasks, by their ids: state, kind, try_number, label.
        """
        at = text(run["logical_date"])
        kept = {name: run[name] for name in ("run", "dag", "dag_version", "trigger", "params")}
        self._own = {
            **kept,
            "state": "running",
            "logical_date": at,
            **{name: run[name] for name in ("data_interval_start", "data_interval_end") if name in run},
            "created_at": at,
            "started_at": at,
            "ended_at": None,
        }
        self._standing = standing

    def run(self, reader: Reader, run: str) -> Facts:
        """See ``Runs``."""
        found = self.known(run)
        if found is None:
            raise NotFoundError(f'there is no run {run!r}: give the test one, runs=[GivenRun(…, run="{run}")]')
        reader.require_readable(str(found["dag"]))
        return found

    def previous_success(self, dag: str, before: datetime) -> Facts | None:
        """Return the newest run of a DAG before a moment that succeeded; None: no such run was given."""
        given = (self._facts(number, run) for number, run in enumerate(self._given, 1) if run.dag in (None, dag))
        found = [run for run in given if run["state"] == "success" and instant(run["logical_date"]) < before]
        return max(found, key=lambda run: (instant(run["logical_date"]), str(run["run"])), default=None)

    def known(self, run: str) -> Facts | None:
        """Return the run of that id, whoever asks; None if there is none."""
        return next((each for each in self._all() if each["run"] == run), None)

    def previous_run(self, reader: Reader, asked: Query) -> Facts | None:
        """See ``Runs``."""
        states = _states(asked, RUN_STATES)
        return next(({**run, "params": None} for run in self._before(reader, asked) if _in(run["state"], states)), None)

    def count_runs(self, reader: Reader, asked: Query) -> int:
        """See ``Runs``."""
        dag = asked.get("dag", reader.dag)
        reader.require_readable(dag)
        states = _states(asked, RUN_STATES)
        return sum(run["dag"] == dag and _in(run["state"], states) for run in _narrowed(self._all(), asked))

    def task_instances(self, reader: Reader, asked: Query) -> Sequence[Facts]:
        """See ``Runs``."""
        ids, dag = _several(asked, "run"), asked.get("dag")
        for run in self._all():
            if dag is None and run["run"] in ids:
                reader.require_readable(str(run["dag"]))
        if dag is None and not ids and "logical_date" not in asked:
            runs = [run for run in self._all() if run["run"] == reader.run]
        else:
            reader.require_readable(dag or reader.dag)
            wanted = dag or (None if ids else reader.dag)
            runs = [run for run in _narrowed(self._all(), asked) if wanted in (None, run["dag"])]
        return [each for run in runs for each in self._tasks(run, asked)]

    def count_task_instances(self, reader: Reader, asked: Query) -> int:
        """See ``Runs``."""
        return len(self.task_instances(reader, asked))

    def previous_task_instance(self, reader: Reader, asked: Query) -> Facts | None:
        """See ``Runs``."""
        return next((each for run in self._before(reader, asked) for each in self._tasks(run, asked)), None)

    def dag(self, reader: Reader, dag: str) -> Facts:
        """See ``Runs``."""
        reader.require_readable(dag)
        given = GivenDag(tasks=list(self._standing())) if dag == reader.dag else self._dags.get(dag)
        if given is None:
            raise NotFoundError(f'there is no DAG {dag!r}: give the test one, dags={{"{dag}": GivenDag(tasks=[…])}}')
        told = {"description": given.description, "tasks": list(given.tasks)}
        return {"dag": dag, "version": 1, **told, "deployed_at": text(self._own["logical_date"]), "deployed_by": "test"}

    def trigger(self, reader: Reader, asked: Mapping[str, object]) -> Facts:
        """See ``Runs``: recorded, and ended at once as its ``GivenDag`` says."""
        dag = str(asked["dag"])
        reader.require_startable(dag)
        if not self._may_start:
            raise RefusedError(f"there is no API here that could start a run of {dag!r}: a script by hand starts none")
        name = str(asked.get("key") or "=" + json.dumps([asked["params"], asked.get("logical_date")], sort_keys=True))
        key = (reader.task_instance, f"{dag}/{name}")
        created = key not in self.started
        if created:
            now = datetime.now(UTC).isoformat()
            ends = self._dags.get(dag, GivenDag()).ends
            at = text(asked.get("logical_date") or now)
            facts = {"dag": dag, "dag_version": 1, "state": ends, "trigger": "task", "params": asked["params"]}
            times = {"created_at": now, "started_at": now, "ended_at": None if ends == "running" else now}
            self.started[key] = {"run": f"started-{len(self.started) + 1}", **facts, "logical_date": at, **times}
        return {"run": self.started[key], "created": created}

    def _all(self) -> list[Facts]:
        given = (self._facts(number, run) for number, run in enumerate(self._given, 1))
        return list(chain([self._own] if self._own else [], given, self.started.values()))

    def _facts(self, number: int, run: GivenRun) -> Facts:
        at = text(run.logical_date)
        named = {"run": _id(number, run), "dag": run.dag or self._own.get("dag", ""), "dag_version": 1}
        params = {name: encode(value, f"params[{name!r}]") for name, value in run.params.items()}
        told = {"state": run.state, "trigger": "manual", "params": params, "logical_date": at}
        told |= interval(run.data_interval)
        return {**named, **told, "created_at": at, "started_at": at, "ended_at": None if run.state == "running" else at}

    def _left_by(self, run: str) -> Mapping[str, Facts]:
        """Return how the tasks of a given run stand."""
        given = (each.tasks for number, each in enumerate(self._given, 1) if run == _id(number, each))
        return {task: {"state": state} for task, state in next(given, {}).items()}

    def _before(self, reader: Reader, asked: Query) -> list[Facts]:
        """Return the runs before a moment, the newest first."""
        dag = asked.get("dag", reader.dag)
        reader.require_readable(dag)
        before = instant(asked.get("before", reader.logical_date))
        runs = [run for run in self._all() if run["dag"] == dag and run["run"] != reader.run]
        earlier = [run for run in runs if instant(run["logical_date"]) < before]
        return sorted(earlier, key=lambda run: (instant(run["logical_date"]), str(run["run"])), reverse=True)

    def _tasks(self, run: Facts, asked: Query) -> list[Facts]:
        named, states = _several(asked, "task"), _states(asked, TASK_STATES)
        if asked.get("map_index", "-1") != "-1":
            return []
        standing = self._standing() if run is self._own else self._left_by(str(run["run"]))
        usual = {"run": run["run"], "map_index": -1, "kind": "python", "try_number": 1}
        usual |= {"logical_date": run["logical_date"], "label": None}
        usual |= dict.fromkeys(("queued_at", "started_at", "ended_at"))
        return [
            {**usual, "task": task, **facts}
            for task, facts in standing.items()
            if (not named or task in named) and _in(facts["state"], states)
        ]


def _several(asked: Query, name: str) -> list[str]:
    return [part.strip() for part in asked.get(name, "").split(",") if part.strip()]


def _states(asked: Query, known: Sequence[str]) -> list[str]:
    states = _several(asked, "state")
    for state in states:
        if state not in known:
            raise RefusedError(f"{state!r} can't be a state: use one of {', '.join(known)}")
    return states


def _in(state: object, states: list[str]) -> bool:
    return not states or state in states


def _narrowed(runs: Iterable[Facts], asked: Query) -> list[Facts]:
    ids, dates = _several(asked, "run"), [instant(each) for each in _several(asked, "logical_date")]
    return [
        run for run in runs if (not ids or run["run"] in ids) and (not dates or instant(run["logical_date"]) in dates)
    ]


def _id(number: int, run: GivenRun) -> str:
    return run.run or f"given-{number}"
