"""Runs, where no task is running: there are none to ask for."""

from __future__ import annotations

from leasehold.errors import RefusedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from leasehold.runtime.in_memory.runs import Reader


class NoRuns:
    """Answers every question of ``Runs`` with the refusal that says why."""

    def refuse(self, _: Reader, __: object, /) -> NoReturn:
        """Refuse.

        Raises:
            RefusedError: always.
        """
        raise RefusedError("no task is running here, so that there are no runs to ask for")

    run = previous_run = count_runs = task_instances = count_task_instances = refuse
    previous_task_instance = dag = trigger = refuse
