"""A run as a table: which task, where, which try, in what state, how long, and with what result."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from leasehold.cli.amounts import show_between, show_number, show_size, show_when
from leasehold.cli.following import task_label
from leasehold.cli.mapped_tasks import Instances
from leasehold.cli.screen import make_table, show_value, state, task_colour
from leasehold_protocol.v1.runs import MetricSummary, RunDetail, TaskInstance, TaskState

LONGEST_RESULT = 160
LONGEST_REASON = 400
COLUMNS = ("task", "site", "try", "state", "duration", "result or reason")
LIVELIEST_FIRST = {
    TaskState.RUNNING: 0,
    TaskState.FAILED: 1,
    TaskState.UP_FOR_RETRY: 2,
    TaskState.DEFERRED: 3,
    TaskState.UP_FOR_RESCHEDULE: 3,
    TaskState.QUEUED: 3,
    TaskState.SUCCESS: 5,
    TaskState.NONE: 6,
}

_UNTIL = {TaskState.UP_FOR_RETRY: "again", TaskState.UP_FOR_RESCHEDULE: "again", TaskState.DEFERRED: "until"}
"""What the time in ``due_at`` says."""


def task_table(tasks: Sequence[TaskInstance | Instances], *, now: datetime) -> Table:
    """Return the tasks, one row each."""
    return make_table(COLUMNS, [_row(task, now) for task in tasks])


def liveliest(tasks: Sequence[TaskInstance | Instances], *, room: int) -> list[TaskInstance | Instances]:
    """Return at most ``room`` tasks, in their own order: those where something is going on or went wrong first."""
    if len(tasks) <= room:
        return list(tasks)
    chosen = sorted(range(len(tasks)), key=lambda place: (_liveliness(tasks[place]), place))[:room]
    return [tasks[place] for place in sorted(chosen)]


def _liveliness(row: TaskInstance | Instances) -> int:
    each = row.each if isinstance(row, Instances) else [row]
    return min(LIVELIEST_FIRST.get(one.state, 4) for one in each)


def _row(task: TaskInstance | Instances, now: datetime) -> tuple[str | Text, ...]:
    if isinstance(task, Instances):
        name = Text(task.name, style=task_colour(task.task))
        return name, task.site, "", task.states(), duration(task.whole(), now=now), ""
    return (
        Text(named(task), style=task_colour(task.task)),
        task.site or "",
        str(task.try_number or ""),
        state(task.state),
        duration(task, now=now),
        _note(task, now),
    )


def named(task: TaskInstance) -> str:
    """Return the task's name, with what it called itself."""
    label = f" ({show_value(task.label)})" if task.label else ""
    return task_label(task.task, task.map_index) + label


def duration(task: TaskInstance, *, now: datetime) -> str:
    """Return how long the task has worked: its last attempt's own time, or so far."""
    return show_between(task.started_at, task.ended_at, now=now) if task.try_number else ""


def _note(task: TaskInstance, now: datetime) -> str | Text:
    if task.state is TaskState.SUCCESS:
        return _result(task)
    reason = task.reason or ""
    if task.state in _UNTIL and task.due_at is not None and task.due_at > now:
        return f"{show_value(reason)} ({_UNTIL[task.state]} {show_when(task.due_at, now=now)})".strip()
    if not reason and task.state is TaskState.RUNNING and task.attempts:
        return _progress(task)
    return show_value(reason, longest=LONGEST_REASON)


def _result(task: TaskInstance) -> Text:
    if task.result is None:
        return Text("" if task.result_size is None else f"({show_size(task.result_size)})", style="dim")
    # On one line, cut where the terminal ends: a result says what it is at its beginning.
    return Text(show_value(task.result, longest=LONGEST_RESULT), no_wrap=True, overflow="ellipsis")


def _progress(task: TaskInstance) -> str:
    last = task.attempts[-1]
    parts = ["" if last.progress is None else f"{last.progress:.0%}", show_value(last.note or "")]
    return " ".join(part for part in parts if part)


def run_line(run: RunDetail, *, now: datetime) -> Text:
    """Return the run in one line: what it is, how it stands, how long it took."""
    took = show_between(run.started_at or run.created_at, run.ended_at, now=now)
    done = sum(task.state.is_final for task in run.tasks)
    return Text.assemble(
        (run.dag, "bold"),
        f" version {run.version}, run {run.run}: ",
        state(run.state),
        f", {done} of {len(run.tasks)} tasks, {took}",
    )


def metric_table(metrics: Sequence[MetricSummary]) -> Table:
    """Return the metrics of a run, one row for each metric of each attempt."""
    columns = ("task", "metric", "kind", "value", "count", "least", "p50", "p95", "most")
    return make_table(columns, [_metric_row(metric) for metric in metrics])


def _metric_row(metric: MetricSummary) -> tuple[str | Text, ...]:
    unit = " s" if metric.kind == "timing" else ""
    value = metric.total if metric.kind == "counter" else metric.last
    spread = metric.count > 1 and metric.kind != "counter"
    return (
        Text(task_label(metric.task, metric.map_index), style=task_colour(metric.task)),
        metric.name,
        metric.kind,
        show_number(value) + unit,
        str(metric.count),
        show_number(metric.min) + unit if spread else "",
        *(show_number(each) + unit if spread and each is not None else "" for each in (metric.p50, metric.p95)),
        show_number(metric.max) + unit if spread else "",
    )
