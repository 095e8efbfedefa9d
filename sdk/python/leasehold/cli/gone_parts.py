"""What is said where retention deleted something that a run had left: nobody looks for it, or waits for it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from leasehold.cli import screen
from leasehold.cli.amounts import show_count, show_when
from leasehold_protocol.v1.runs import AttemptSummary, RunDetail


def deleted_in(run: RunDetail, *, now: datetime) -> str:
    """Return what of a run is deleted, and since when; empty when nothing is."""
    logs = [each for task in run.tasks for each in task.attempts if each.log_deleted_at is not None]
    parts = [_logs(logs, now=now)] if logs else []
    for what, deleted_at in (("XComs", run.xcoms_deleted_at), ("metrics", run.metrics_deleted_at)):
        if deleted_at is not None:
            parts.append(f"{what} {show_when(deleted_at, now=now)}")
    return f"{', '.join(parts)} (by retention)" if parts else ""


def deleted_logs(run: RunDetail, attempts: Collection[str]) -> str | None:
    """Return what to say of those of these attempts whose logs are deleted; none when all are kept."""
    gone = [
        each
        for task in run.tasks
        for each in task.attempts
        if each.log_deleted_at is not None and each.attempt in attempts
    ]
    return f"{_logs(gone, now=screen.now())}: deleted by retention." if gone else None


def say_deleted(what: str, deleted_at: datetime | None, *, some_left: bool) -> None:
    """Say beside a list that what it showed before was deleted."""
    if deleted_at is None:
        return
    rest = " What is shown is of tasks that ran again since." if some_left else ""
    screen.say(
        f"{what} of this run was deleted by retention {show_when(deleted_at, now=screen.now())}.{rest}", stderr=True
    )


def _logs(gone: Collection[AttemptSummary], *, now: datetime) -> str:
    newest = max((each.log_deleted_at for each in gone if each.log_deleted_at is not None), default=None)
    return f"logs of {show_count(len(gone), 'attempt')} {show_when(newest, now=now)}"
