"""One task instance as people look at it: its attempts, and what its arguments came to."""

from __future__ import annotations

from datetime import datetime

from leasehold.cli import screen
from leasehold.cli.amounts import show_between, show_size, show_when
from leasehold_protocol.v1.leases import Rendered
from leasehold_protocol.v1.runs import TaskInstance

_LONGEST = 4200


def show_attempts(task: TaskInstance, *, now: datetime) -> None:
    """Show each attempt, and of the newest that has them the arguments."""
    screen.table(
        ["attempt", "try", "site", "agent", "begun", "took", "ending", "log"],
        [
            (
                each.attempt,
                str(each.try_number),
                each.site,
                each.agent,
                show_when(each.leased_at, now=now),
                show_between(each.started_at, each.ended_at, now=now),
                screen.show_value(" ".join(part for part in (each.ending, each.message) if part)),
                show_size(each.log_bytes)
                if each.log_deleted_at is None
                else f"deleted by retention {show_when(each.log_deleted_at, now=now)}",
            )
            for each in task.attempts
        ],
        empty="It has not begun.",
    )
    newest = next((each.rendered for each in reversed(task.attempts) if each.rendered), None)
    if newest is not None:
        _show_rendered(newest)


def _show_rendered(rendered: Rendered) -> None:
    screen.table(
        ["argument", "came to"],
        [
            (field.name, screen.show_value(field.text, longest=_LONGEST) + (" …" if field.cut else ""))
            for field in rendered.fields
        ],
        empty="Its arguments are too long to be kept.",
    )
    if rendered.left_out:
        screen.say(f"{rendered.left_out} more are not kept: 64 KiB are, of one task instance.", stderr=True)
