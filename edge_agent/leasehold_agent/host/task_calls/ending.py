"""How the task says that it ends, and what follows from its end."""

from __future__ import annotations

from dataclasses import dataclass

from leasehold_agent.host import checks
from leasehold_agent.host.endings import Said
from leasehold_agent.host.http_wire import Answer, RefusedRequestError, Request
from leasehold_agent.host.lease import HostLease
from leasehold_agent.host.task_calls.calls import Calls
from leasehold_agent.host.task_calls.notes import Notes
from leasehold_agent.host.task_calls.waiting import instant, maybe_seconds, waited_for

ENDING_KINDS = ("success", "failed", "failed_for_good", "skipped", "retry", "rescheduled", "deferred")
_WAITING = ("rescheduled", "deferred")
_API_TOO_OLD = "the API that this site belongs to is too old for that: update it"


@dataclass(frozen=True, slots=True)
class EndingCalls:
    """The last one before the process exits counts."""

    lease: HostLease
    notes: Notes

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
        self.notes.skip_downstream(skipped(request.body, task=self.lease.task, downstream=self.lease.downstream))
        return Answer()


def said(body: bytes, *, runs_for_s: float) -> Said:
    """Return an ``EndingWrite``.

    Raises:
        RefusedRequestError: 422, if the body is none.
    """
    fields = checks.json_object(body)
    kind, after = fields.get("kind"), fields.get("retry_after_s")
    if kind not in ENDING_KINDS:
        raise checks.invalid(f"kind must be one of {', '.join(ENDING_KINDS)}, not {checks.shown(kind)}")
    again: dict[str, object] | None = None
    if kind == "rescheduled":
        again = _again(fields)
    elif kind == "deferred":
        again = {"wait": waited_for(fields.get("wait"), runs_for_s=runs_for_s)}
    return Said(
        kind=str(kind),
        message=checks.maybe_text(fields, "message"),
        retry_after_s=None if after is None else checks.between(after, "retry_after_s", 0, checks.MOST_SECONDS),
        again=again,
    )


def _again(fields: checks.Object) -> dict[str, object]:
    after, at = fields.get("again_after_s"), fields.get("again_at")
    if (after is None) == (at is None):
        raise checks.invalid("rescheduled needs one of again_after_s and again_at")
    if at is not None:
        return {"again_at": instant(at, "again_at")}
    return {"again_after_s": maybe_seconds(after, "again_after_s")}


def skipped(body: bytes, *, task: str, downstream: tuple[str, ...]) -> tuple[str, ...]:
    """Return the tasks of a ``SkipDownstream``.

    Raises:
        RefusedRequestError: 422, if it names what is not directly downstream, saying what is.
    """
    tasks = checks.texts(checks.json_object(body).get("tasks"), "tasks")
    unknown = [name for name in tasks if name not in downstream]
    if unknown or not tasks:
        there_are = f"those are {', '.join(downstream)}" if downstream else "nothing is"
        what = f"{unknown[0][:130]!r} is" if unknown else "no name given is"
        raise RefusedRequestError(422, "invalid_request", f"{what} not directly downstream of {task!r}: {there_are}")
    return tuple(tasks)
