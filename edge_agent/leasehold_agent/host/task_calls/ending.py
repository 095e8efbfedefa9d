"""How the task says that it ends."""

from __future__ import annotations

from dataclasses import dataclass

from leasehold.runtime.rules.endings import said
from leasehold_agent.host.http_wire import Answer, Request
from leasehold_agent.host.task_calls.calls import Calls
from leasehold_agent.host.task_calls.notes import Notes


@dataclass(frozen=True, slots=True)
class EndingCalls:
    """The last one before the process exits counts."""

    notes: Notes

    def calls(self) -> Calls:
        """Return the paths of this room."""
        return {"/v1/ending": {"PUT": self._ending}}

    async def _ending(self, _: str, request: Request) -> Answer:
        self.notes.say_ending(said(request.body))
        return Answer()
