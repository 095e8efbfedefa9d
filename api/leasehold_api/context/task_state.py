"""What a task keeps across its tries, reschedules and deferrals: the port, and its bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from leasehold_api.callers import TaskCaller
from leasehold_protocol.v1.message import Json
from leasehold_protocol.v1.waiting import StateChange

MOST_KEYS = 1000
VALUE_BYTES = 64 * 1024


class TaskStateStore(Protocol):
    """Values of one task instance, by key; they go with its run.

    Its promises are ``tests/api/contracts/task_state.py``.
    """

    async def get(self, reader: TaskCaller, key: str, *, now: float) -> Json:
        """Return a value.

        Raises:
            LeaseLostError: the attempt must stop.
            NotFoundError: if there is none, or its time is over.
        """
        ...

    async def keys(self, reader: TaskCaller, prefix: str, *, now: float) -> list[str]:
        """Return the keys that begin with ``prefix``, in order.

        Raises:
            LeaseLostError: the attempt must stop.
        """
        ...

    async def write(self, agent_id: str, attempt: str, changes: Sequence[StateChange], *, now: float) -> None:
        """Apply writes in their order; the same again changes nothing.

        Raises:
            NotFoundError: if this agent was never given this attempt.
            LeaseLostError: if a newer attempt exists, or the run is over.
            InvalidRequestError: if it is more than a task may keep.
        """
        ...
