"""How the task says that it ends, and what follows from its end."""

from __future__ import annotations

from dataclasses import dataclass

from leasehold.runtime.rules.endings import said
from leasehold.runtime.rules.waiting import skipped
from leasehold_agent.host import checks
from leasehold_agent.host.http_wire import Answer, Request
from leasehold_agent.host.lease import HostLease
from leasehold_agent.host.task_calls.calls import Calls
from leasehold_agent.host.task_calls.if_it_succeeds import IfItSucceeds
from leasehold_agent.host.task_calls.notes import Notes

_WAITING = ("rescheduled", "deferred")
_API_TOO_OLD = "the API that this site belongs to is too old for that: update it"


@dataclass(frozen=True, slots=True)
class EndingCalls:
    """The last one before the process exits counts."""

    lease: HostLease
    notes: Notes
    if_it_succeeds: IfItSucceeds

    def calls(self) -> Calls:
        """Return the paths of this room."""
        return {"/v1/ending": {"PUT": self._ending}, "/v1/skip-downstream": {"POST": self._skip_downstream}}

    async def _ending(self, _: str, request: Request) -> Answer:
        ending = said(request.body, runs_for_s=self.notes.runs_for_s())
        if ending.kind in _WAITING and self.lease.earlier is None:
            raise checks.invalid(_API_TOO_OLD)
        self.notes.say_ending(ending)
        return Answer()

    async def _skip_downstream(self, _: str, request: Request) -> Answer:
        if self.lease.downstream is None:
            raise checks.invalid(_API_TOO_OLD)
        self.if_it_succeeds.skip(skipped(request.body, task=self.lease.task, downstream=self.lease.downstream))
        return Answer()
