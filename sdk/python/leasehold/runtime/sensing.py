"""What becomes of a sensor after it has looked: done, looked again later without a slot, or given up."""

from __future__ import annotations

from leasehold.runtime.endings import Fail, Reschedule, Skip
from leasehold.runtime.host import current_host

LONGEST_PAUSE_S = 3600.0
"""The longest pause that back-off leads to, unless ``poke_every`` is longer."""


def looked(
    found: object, *, name: str, poke_every_s: float, timeout_s: float | None, soft_fail: bool, exponential: bool
) -> object:
    """Return what a sensor found, or end the attempt if that is nothing yet.

    Raises:
        Reschedule: to look again.
        Fail: if the time is up, counted from the first look over all of them.
        Skip: the same, with ``soft_fail``.
    """
    if found:
        return found
    host = current_host()
    context = {} if host is None else host.read("/v1/context")
    ran_s, looks = _number(context.get("running_for_s")), _number(context.get("rescheduled")) + 1
    pause_s = poke_every_s
    if exponential:
        pause_s = max(poke_every_s, min(LONGEST_PAUSE_S, poke_every_s * 2 ** min(looks - 1, 30)))
    if timeout_s is not None and ran_s >= timeout_s:
        message = f"{name} found nothing in {timeout_s:g} s, looking {looks:g} times"
        raise Skip(message) if soft_fail else Fail(message)
    if timeout_s is not None:
        pause_s = min(pause_s, timeout_s - ran_s)  # a last look when the time is up
    raise Reschedule(f"found nothing yet, after {looks:g} looks", after=pause_s)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
