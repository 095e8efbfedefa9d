"""What a run in a test came to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from leasehold.runtime.in_memory.told import LogRecord, Metric
from leasehold.runtime.run_facts import Run


class Log(list[LogRecord]):
    """A task's log. ``"read the sensors" in task.log`` looks for text, ``str(task.log)`` is all of it."""

    def __contains__(self, wanted: object) -> bool:
        if isinstance(wanted, str):
            return any(wanted in str(record) for record in self)
        return super().__contains__(wanted)

    def __str__(self) -> str:
        return "\n".join(map(str, self))


@dataclass(slots=True, kw_only=True)
class TaskResult:
    """How one task ended.

    Attributes:
        id: The task's id.
        state: ``success``, ``failed``, ``skipped`` or ``upstream_failed``; ``up_for_retry`` of a single try, and
            ``not_run`` of what ``only`` left out.
        result: What it returned, as other tasks get it.
        xcoms: What it pushed, by key, as other tasks get it; the result is ``return_value``.
        log: Its log, of all its tries.
        metrics: What it measured, in all its tries.
        tries: How often it was tried.
        error: Why it failed or was skipped, in one line with the author's file and line.
        exception: What it raised, at its last try.
        progress: Its last heartbeat's.
        note: Its last heartbeat's.
        label: What it called itself (``set_label``).
        rescheduled: How often it asked to be started again later.
        state_kept: What it kept (``leasehold.state``) when it ended, by key.
        waited_s: How long a site would have waited between its attempts. Here nobody waits.
        map_index: Which instance of a mapped task it is; -1: its task is not mapped.
        instances: Of a mapped task: how each of them ended. ``result`` is the list of what they returned then.
    """

    id: str
    state: str
    result: Any = None
    xcoms: dict[str, Any] = field(default_factory=dict[str, Any])
    log: Log = field(default_factory=Log)
    metrics: list[Metric] = field(default_factory=list[Metric])
    tries: int = 0
    error: str | None = None
    exception: BaseException | None = None
    progress: float | None = None
    note: str | None = None
    label: str | None = None
    rescheduled: int = 0
    state_kept: dict[str, Any] = field(default_factory=dict[str, Any])
    waited_s: float = 0.0
    map_index: int = -1
    instances: list[TaskResult] = field(default_factory=list["TaskResult"])

    def measured(self, name: str, **tags: str) -> list[float]:
        """Return the values of one metric, in order; with ``tags`` only those that have them."""
        return [metric.value for metric in self.metrics if metric.name == name and tags.items() <= metric.tags.items()]

    def __repr__(self) -> str:
        tries = f" after {self.tries} tries" if self.tries > 1 else ""
        what = f" → {_short(self.result)}" if self.state == "success" else f": {self.error}" if self.error else ""
        return f"<{self.id} {self.state}{tries}{what}>"


@dataclass(slots=True, kw_only=True)
class RunResult:
    """How a run ended.

    Attributes:
        dag: The DAG's name.
        state: ``success`` or ``failed``.
        tasks: Its tasks by id, in the order in which they ended.
        variables: The variables as the run left them.
        triggered: The runs that its tasks started, in order: ``dag``, ``params``, ``logical_date``, …
    """

    dag: str
    state: str
    tasks: dict[str, TaskResult] = field(default_factory=dict[str, TaskResult])
    variables: dict[str, Any] = field(default_factory=dict[str, Any])
    triggered: list[Run] = field(default_factory=list[Run])

    @property
    def log(self) -> Log:
        """The log of all tasks."""
        return Log(record for task in self.tasks.values() for record in task.log)

    def __repr__(self) -> str:
        lines = "".join(f"\n  {task!r}" for task in self.tasks.values())
        return f"<run of {self.dag}: {self.state}{lines}>"


def shown_log(records: Iterable[LogRecord], most: int = 20) -> str:
    """Return the end of a log, indented, for a failure's text."""
    lines = [line for record in records for line in str(record).splitlines()]
    left_out = [f"… {len(lines) - most} lines before"] if len(lines) > most else []
    return "".join(f"\n    {line}" for line in [*left_out, *lines[-most:]])


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:119] + "…"
