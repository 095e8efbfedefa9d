"""How an attempt ended, decided from what is known at the end. Pure."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass

from leasehold.runtime.rules import checks
from leasehold.runtime.rules.refusals import invalid
from leasehold.runtime.rules.waiting import instant, maybe_seconds, waited_for

LONGEST_MESSAGE = 4000
ENDING_KINDS = ("success", "failed", "failed_for_good", "skipped", "retry", "rescheduled", "deferred")
"""What a task may say of its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A kind (see ``leasehold_protocol.v1.leases.EndingKind``) and what goes with it."""

    kind: str
    message: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    retry_after_s: float | None = None
    refusal: Mapping[str, object] | None = None
    """The protocol's ``Refusal``, with the kind ``refused``."""
    again: Mapping[str, object] | None = None
    """When and why it is started again, with the kinds ``rescheduled`` and ``deferred``: fields of the protocol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why the host itself ended the task."""

    kind: str
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the task said of its end (``PUT /v1/ending``)."""

    kind: str
    message: str | None = None
    retry_after_s: float | None = None
    again: Mapping[str, object] | None = None


def said(body: bytes, *, runs_for_s: float) -> Said:
    """Return an ``EndingWrite`` of an attempt that has run so long.

    Raises:
        RefusedRequestError: 422, if the body is none.
    """
    fields = checks.json_object(body)
    kind, after = fields.get("kind"), fields.get("retry_after_s")
    if kind not in ENDING_KINDS:
        raise invalid(f"kind must be one of {', '.join(ENDING_KINDS)}, not {checks.shown(kind)}")
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


def decide(*, wait_status: int | None, stop: Stop | None, said: Said | None, result_problem: str | None) -> Ending:
    """Return the ending of a task whose main process ended with ``wait_status`` (as wait(2) gives it).

    What the host did comes first: a task that was cancelled did not succeed, whatever it said. Then what the task
    said, unless it said success and then failed.
    """
    code, number = _exit(wait_status)
    if stop is not None:
        return Ending(kind=stop.kind, message=stop.reason, exit_code=code, signal=number)
    if said is not None and said.kind != "success":
        return Ending(
            kind=said.kind,
            message=said.message,
            exit_code=code,
            signal=number,
            retry_after_s=said.retry_after_s,
            again=said.again,
        )
    if wait_status != 0:
        after = " after the task had reported success" if said is not None else ""
        return Ending(kind="failed", message=_why(code, number) + after, exit_code=code, signal=number)
    if result_problem is not None:
        return Ending(kind="failed", message=result_problem, exit_code=code)
    return Ending(kind="success", message=said.message if said else None, exit_code=code)


def _again(fields: checks.Object) -> dict[str, object]:
    after, at = fields.get("again_after_s"), fields.get("again_at")
    if (after is None) == (at is None):
        raise invalid("rescheduled needs one of again_after_s and again_at")
    if at is not None:
        return {"again_at": instant(at, "again_at")}
    return {"again_after_s": maybe_seconds(after, "again_after_s")}


def shortened(message: str | None) -> str | None:
    """Return the message within the protocol's bound."""
    if message is None or len(message) <= LONGEST_MESSAGE:
        return message
    return message[: LONGEST_MESSAGE - 1] + "…"


def _exit(wait_status: int | None) -> tuple[int | None, int | None]:
    """Return (exit code, signal); one of them is None."""
    if wait_status is None:
        return None, None
    code = os.waitstatus_to_exitcode(wait_status)
    return (code, None) if code >= 0 else (None, -code)


def _why(code: int | None, number: int | None) -> str:
    if number is None:
        return f"exit status {code}"
    try:
        name = f" ({signal.Signals(number).name})"
    except ValueError:
        name = ""
    # Nobody here sent it: most often that was the kernel, out of memory.
    hint = ": perhaps the machine ran out of memory" if number == signal.SIGKILL else ""
    return f"killed by signal {number}{name}{hint}"
