"""How the task says that it ends."""

from __future__ import annotations

from dataclasses import dataclass

from leasehold_agent.host import checks
from leasehold_agent.host.endings import Said
from leasehold_agent.host.http_wire import Answer, Request
from leasehold_agent.host.task_calls.calls import Calls
from leasehold_agent.host.task_calls.notes import Notes

ENDING_KINDS = ("success", "failed", "failed_for_good", "skipped", "retry")


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


def said(body: bytes) -> Said:
    """Return an ``EndingWrite``.

    Raises:
        RefusedRequestError: 422, if the body is none.
    """
    fields = checks.json_object(body)
    kind, after = fields.get("kind"), fields.get("retry_after_s")
    if kind not in ENDING_KINDS:
        raise checks.invalid(f"kind must be one of {', '.join(ENDING_KINDS)}, not {checks.shown(kind)}")
    return Said(
        kind=str(kind),
        message=checks.maybe_text(fields, "message"),
        retry_after_s=None if after is None else checks.between(after, "retry_after_s", 0, checks.MOST_SECONDS),
    )
