"""Runs, task instances and DAGs as tasks see them: answers of the API with their times read."""

from __future__ import annotations

from datetime import datetime

from leasehold.runtime.values import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class _Facts:
    """Named facts with a readable ``repr``."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]  # its fields may change


class Run(_Facts):
    """One execution of a DAG.

    Attributes:
        run: Its id.
        dag: The DAG's name.
        dag_version: The version it is pinned to.
        state: ``queued``, ``running``, ``success``, ``failed`` or ``cancelled``.
        trigger: What began it: ``manual``, ``task``, …
        logical_date: The moment it stands for.
        data_interval_start: The time of the schedule before it; of a run without a schedule by time the logical date.
        data_interval_end: The logical date.
        created_at: When it was made.
        started_at: When its first task began, or None.
        ended_at: When it ended, or None.
        params: Its parameters; None when it was not asked for by its id.
    """

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.run: str = answer["run"]
        self.dag: str = answer["dag"]
        self.dag_version: int = answer["dag_version"]
        self.state: str = answer["state"]
        self.trigger: str = answer["trigger"]
        self.logical_date: datetime = datetime.fromisoformat(answer["logical_date"])
        self.data_interval_start: datetime = _instant(answer.get("data_interval_start")) or self.logical_date
        self.data_interval_end: datetime = _instant(answer.get("data_interval_end")) or self.logical_date
        self.created_at: datetime = datetime.fromisoformat(answer["created_at"])
        self.started_at = _instant(answer.get("started_at"))
        self.ended_at = _instant(answer.get("ended_at"))
        params = answer.get("params")
        self.params: dict[str, Any] | None = (
            None if params is None else {name: decode(value) for name, value in params.items()}
        )

    @property
    def has_ended(self) -> bool:
        """Nothing will change it any more."""
        return self.state not in ("queued", "running")


class TaskInstance(_Facts):
    """One task of one run.

    Attributes:
        run: The run's id.
        task: The task's id.
        map_index: Which of the mapped instances it is; -1 when the task isn't mapped.
        state: ``none``, ``queued``, ``running``, ``up_for_retry``, ``success``, ``failed``, ``skipped``, …
        kind: What does its work: ``python``, ``program``, ``container``.
        try_number: The last try, from 1; 0: not begun.
        logical_date: The moment its run stands for.
        queued_at: When it could first be leased, or None.
        started_at: When it began, or None.
        ended_at: When it ended, or None.
        label: What it called itself (``set_label``), or None.
    """

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.run: str = answer["run"]
        self.task: str = answer["task"]
        self.map_index: int = answer.get("map_index", -1)
        self.state: str = answer["state"]
        self.kind: str = answer["kind"]
        self.try_number: int = answer.get("try_number", 0)
        self.logical_date: datetime = datetime.fromisoformat(answer["logical_date"])
        self.queued_at = _instant(answer.get("queued_at"))
        self.started_at = _instant(answer.get("started_at"))
        self.ended_at = _instant(answer.get("ended_at"))
        self.label: str | None = answer.get("label")


class DagFacts(_Facts):
    """A DAG's newest version.

    Attributes:
        dag: Its name.
        version: Counts up with every deploy that changes it.
        description: What its author wrote.
        tasks: The ids of its tasks.
        deployed_at: When this version was deployed.
        deployed_by: By whom.
    """

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.dag: str = answer["dag"]
        self.version: int = answer["version"]
        self.description: str = answer.get("description", "")
        self.tasks: list[str] = list(answer["tasks"])
        self.deployed_at: datetime = datetime.fromisoformat(answer["deployed_at"])
        self.deployed_by: str = answer["deployed_by"]


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
