"""What a task may know about itself and its run."""

from __future__ import annotations

from leasehold.runtime.expressions import ExpressionError, Facts, facts_from_context, parameter
from leasehold.runtime.host import host_or_outside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path
    from typing import Any

    from leasehold.runtime.run_facts import Run


class Context:
    """The running task, its run, and what they were given.

    Attributes:
        dag: The DAG's name.
        dag_version: The version the run is pinned to.
        run: The run's id.
        team: The team that owns the DAG.
        trigger: What began the run: ``manual``, …
        task: The task's id.
        task_instance: The id of this task in this run.
        attempt: The id of this try.
        try_number: From 1.
        map_index: Which of the mapped instances this is; -1 when the task isn't mapped.
        params: The run's parameters, templates rendered.
        ts: The logical date as RFC 3339 text.
        ds: The logical date's day, ``2026-11-22``.
        triggering_events: The asset events that began the run, oldest first: JSON objects with ``asset``, ``alias``,
            ``extra``, ``at``, ``dag``, ``run``, ``task``; the newest hundred of very many.
        connections: What the task declared.
        variables: What the task declared.
        rescheduled: How often it was rescheduled before.
        resumed: What this attempt goes on from: ``reschedule``, ``defer``, ``input``; None: from nothing.
        running_for: Seconds since its first attempt began, whatever the site's clock says.
        downstream: The tasks that depend on it directly.
    """

    def __init__(self, facts: Facts, answer: Mapping[str, Any]) -> None:
        names: Mapping[str, Any] = facts.names
        self.dag: str = names["dag"]
        self.dag_version: int = names["dag_version"]
        self.run: str = names["run_id"]
        self.team: str = names["team"]
        self.trigger: str = names["trigger"]
        self.task: str = names["task"]
        self.task_instance: str = names["task_instance"]
        self.attempt: str = names["attempt"]
        self.try_number: int = names["try_number"]
        self.map_index: int = names["map_index"]
        self.ts: str = names["ts"]
        self.ds: str = names["ds"]
        self.triggering_events: list[dict[str, Any]] = _events(answer)
        self._interval = (str(names["data_interval_start"]), str(names["data_interval_end"]))
        self.params: dict[str, Any] = {name: _rendered(name, facts) for name in facts.params}
        self.connections: list[str] = list(answer.get("connections", ()))
        self.variables: list[str] = list(answer.get("variables", ()))
        self.rescheduled: int = int(answer.get("rescheduled") or 0)
        self.resumed: str | None = answer.get("resumed")
        self.running_for: float = float(answer.get("running_for_s") or 0.0)
        self.downstream: list[str] = list(answer.get("downstream", ()))
        self._first_started_at: str | None = answer.get("first_started_at")
        self._work_dir = str(names["work_dir"])
        self._bundle_dir = answer.get("bundle_dir")

    @property
    def logical_date(self) -> datetime:
        """The moment the run stands for, with its UTC offset."""
        from datetime import datetime

        return datetime.fromisoformat(self.ts)

    @property
    def data_interval_start(self) -> datetime:
        """The time of the schedule before this run's; of a run without a schedule by time the logical date."""
        from datetime import datetime

        return datetime.fromisoformat(self._interval[0])

    @property
    def data_interval_end(self) -> datetime:
        """The run's own time: the logical date."""
        from datetime import datetime

        return datetime.fromisoformat(self._interval[1])

    @property
    def prev_logical_date_success(self) -> datetime | None:
        """The logical date of the newest run before this one that succeeded; None: there is none. Asks the API."""
        return None if (run := self._previous_success()) is None else run.logical_date

    @property
    def prev_data_interval_start_success(self) -> datetime | None:
        """The beginning of that run's data interval."""
        return None if (run := self._previous_success()) is None else run.data_interval_start

    @property
    def prev_data_interval_end_success(self) -> datetime | None:
        """The end of that run's data interval."""
        return None if (run := self._previous_success()) is None else run.data_interval_end

    @property
    def prev_start_date_success(self) -> datetime | None:
        """When that run began."""
        return None if (run := self._previous_success()) is None else run.started_at

    @property
    def prev_end_date_success(self) -> datetime | None:
        """When that run ended."""
        return None if (run := self._previous_success()) is None else run.ended_at

    def _previous_success(self) -> Run | None:
        from leasehold.runtime import runs

        return runs.previous("success")

    @property
    def first_started_at(self) -> datetime | None:
        """When its first attempt began, by the API's clock; None: this is the first."""
        from datetime import datetime

        return None if self._first_started_at is None else datetime.fromisoformat(self._first_started_at)

    @property
    def work_dir(self) -> Path:
        """The task's own directory, its working directory at the start. It goes when the attempt is delivered."""
        from pathlib import Path

        return Path(self._work_dir)

    @property
    def bundle_dir(self) -> Path | None:
        """Where the DAG file and the files deployed with it are. Read only."""
        from pathlib import Path

        return Path(self._bundle_dir) if self._bundle_dir else None

    def __repr__(self) -> str:
        return f"Context(dag={self.dag!r}, run={self.run!r}, task={self.task!r}, try_number={self.try_number!r})"


def context() -> Context:
    """Return what the running task may know about itself.

    Raises:
        RefusedError: if no task is running here.
        UnavailableError: if the attempt host is gone.
    """
    answer = host_or_outside().read("/v1/context")
    return Context(facts_from_context(answer), answer)


def _events(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    run = answer.get("run")
    return list(run.get("triggering_events") or ()) if isinstance(run, dict) else []


def _rendered(name: str, facts: Facts) -> object:
    try:
        return parameter(name, facts)
    except ExpressionError:
        return facts.params[name]
