"""Mapped tasks on the screen: their instances as one row, by how many stand in which state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from leasehold.cli.screen import state
from leasehold_protocol.v1.runs import TaskInstance, TaskState

SHOWN_BESIDE = 3
"""Instances that went wrong, which are shown below the row of all."""
_WENT_WRONG = {TaskState.FAILED, TaskState.UP_FOR_RETRY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Instances:
    """All instances of one mapped task."""

    task: str
    each: list[TaskInstance]

    @property
    def name(self) -> str:
        """The task's name, with how many there are."""
        return f"{self.task} × {len(self.each)}"

    @property
    def site(self) -> str:
        """Where they ran."""
        sites = sorted({one.site for one in self.each if one.site})
        return ", ".join(sites) if len(sites) <= 2 else f"{len(sites)} sites"

    def states(self) -> Text:
        """Return how many stand in which state."""
        counts = Counter(one.state for one in self.each).most_common()
        return Text(", ").join(Text(f"{count} ").append_text(state(name)) for name, count in counts)

    def whole(self) -> TaskInstance:
        """Return something that began with the first and ended with the last."""
        began = [one.started_at for one in self.each if one.started_at]
        ended = [one.ended_at for one in self.each if one.ended_at]
        first = self.each[0]
        return first.model_copy(
            update={
                "try_number": max(one.try_number for one in self.each),
                "started_at": min(began, default=None),
                "ended_at": max(ended) if len(ended) == len(self.each) else None,
            }
        )


def gathered(tasks: Sequence[TaskInstance]) -> list[TaskInstance | Instances]:
    """Return the rows of a table: instances of a mapped task as one, and below it the first that went wrong."""
    found: dict[str, list[TaskInstance]] = {}
    for task in tasks:
        found.setdefault(task.task, []).append(task)
    rows: list[TaskInstance | Instances] = []
    for name, each in found.items():
        if len(each) == 1:
            rows += each
        else:
            rows.append(Instances(task=name, each=each))
            rows += [one for one in each if one.state in _WENT_WRONG][:SHOWN_BESIDE]
    return rows
