"""What happens between two attempts of a task, in a run in one process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from leasehold.runtime.rules.endings import Ending
from leasehold.testing.retry_delays import retry_delay_s
from leasehold.testing.standing import Standing
from leasehold.testing.waits import MOST_WAITS, WaitsInVainError, length_of

MOST_RESCHEDULES = 2000
"""Of one task in a test, where they take no time: a day of looking once a minute has fewer."""


def go_on(
    task: str,
    state: str,
    ending: Ending,
    standing: Standing,
    entry: Mapping[str, object],
    settle: Callable[[Mapping[str, Any], str], dict[str, object]],
) -> float:
    """Wait until a task can be started again, if its state says so; return how many seconds that took on the clock.

    Args:
        task: The task's id.
        state: Its state after the attempt.
        ending: How the attempt ended.
        standing: What the next attempt finds: changed.
        entry: What its author said about it.
        settle: Lets a wait come to its end (wait, task); returns its ``SettledWait``.

    Raises:
        WaitsInVainError: if it would never go on.
    """
    clock = standing.clock
    began = clock.seconds()
    match state:
        case "up_for_retry":
            standing.failed += 1
            usual_s = retry_delay_s(entry, tries=standing.failed, instance=f"test.{task}")
            waited_s = usual_s if ending.retry_after_s is None else ending.retry_after_s
            standing.forget_in_vain()
            if clock.is_virtual:  # by hand nobody ever waited for a retry
                clock.wait(waited_s, task)
            return waited_s
        case "up_for_reschedule":
            standing.rescheduled += 1
            standing.resumed = "reschedule"
            if clock.is_virtual and standing.rescheduled > MOST_RESCHEDULES:
                raise WaitsInVainError(_endless(ending))
            again = cast("Mapping[str, Any]", ending.again)
            waited_s = max(0.0, length_of(again, clock, ("again_after_s", "again_at")))
            clock.wait(waited_s, f"{task}: {ending.message or 'not yet'}")
            return waited_s
        case "deferred":
            wait = cast("Mapping[str, Any]", (ending.again or {})["wait"])
            if len(standing.waits.keys() - {wait["key"]}) >= MOST_WAITS:
                raise WaitsInVainError(f"the task has waited for {MOST_WAITS} different things, which is the most")
            standing.waits[wait["key"]] = settle(wait, task)
            standing.resumed = "input" if wait["kind"] == "question" else "defer"
            return max(0.0, round(clock.seconds() - began, 1))
        case _:
            return 0.0


def _endless(ending: Ending) -> str:
    said = f" ({ending.message})" if ending.message else ""
    cure = "give the test what the task looks for, or the task an end, like timeout= of a sensor"
    return f"asked {MOST_RESCHEDULES} times to be started again later{said}, and would go on for ever: {cure}"
