"""Waiting without a slot and without a process: the task ends, and is started again from its top.

``defer`` and ``await_input`` return at once where what they wait for has happened already: the task runs again from its
top, comes to the same call, and gets its answer. Which call is the same is said by its key.
"""

from __future__ import annotations

from leasehold.durations import seconds
from leasehold.errors import RefusedError, WaitTimedOut
from leasehold.runtime.endings import Deferred, Reschedule, aware
from leasehold.runtime.host import current_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta
    from typing import Any, NoReturn

    Duration = float | str | timedelta


def reschedule(message: str = "", *, after: Duration | None = None, at: datetime | None = None) -> NoReturn:
    """End this attempt, and start the task again ``after`` a while or ``at`` a time: no slot taken, no try spent.

    Raises:
        Reschedule: always; let it pass.
        ValueError: if it is not one of the two, or can't be a duration or a time.
    """
    raise Reschedule(message, after=after, at=at)


def defer(
    *,
    until: datetime | None = None,
    after: Duration | None = None,
    run: str | None = None,
    states: Sequence[str] = (),
    event: str | None = None,
    timeout: Duration | None = None,
    key: str | None = None,
) -> Any:
    """Wait for one thing, without a slot: the task ends here, and is started again from its top when that happens.

    Then the same call returns. What was worked out before it is gone: keep it with ``leasehold.state``.

    Args:
        until: A time, with its time zone.
        after: A while from now.
        run: The id of another run of the team, which has to end.
        states: How it has to end (``success``, ``failed``, ``cancelled``); empty: anyhow.
        event: The name of an event; what is sent from now on counts.
        timeout: How long to wait at most.
        key: Names this wait within the task; by default its kind, what it waits for, and the how-manyth call it is.

    Returns:
        Of a run ``{"run": …, "state": …}``, of an event its value, of a time None.

    Raises:
        Deferred: while it waits; let it pass.
        WaitTimedOut: if it did not happen in time.
        RefusedError: if it never can: no such run in the team, a run that ended otherwise, no task running here.
        ValueError: if not exactly one thing is named.
    """
    if sum(each is not None for each in (until, after, run, event)) != 1:
        raise ValueError("defer waits for one thing: until=, after=, run= or event=")
    subject, wait = "time", dict[str, object](kind="time")
    if until is not None:
        wait["at"] = aware(until)
    elif after is not None:
        wait["after_s"] = seconds(after)
    elif run is not None:
        subject, wait = f"run:{run}", dict[str, object](kind="run", run=run, states=list(states))
    else:
        subject, wait = f"event:{event}", dict[str, object](kind="event", event=event)
    return waited(wait, subject, key=key, timeout=timeout, what="defer").get("value")


def waited(
    wait: dict[str, object], subject: str, *, key: str | None, timeout: Duration | None, what: str
) -> Mapping[str, Any]:
    """Return what came of a wait, or end the attempt with it.

    Args:
        wait: The wait, as the task protocol has it; without its key and timeout.
        subject: What tells it from others, for its key.
        key: The author's own key.
        timeout: How long to wait at most.
        what: The function's name, for messages.

    Raises:
        Deferred: while it waits.
        WaitTimedOut: if it did not happen in time.
        RefusedError: if it never can, or no task is running here.
    """
    host = current_host()
    if host is None:
        raise RefusedError(f"no task is running here, so that {what} would wait for ever: run it in a DAG")
    name = key or f"{subject[:200]}:{host.how_manyth(subject)}"
    waits = host.read("/v1/context").get("waits")
    settled = waits.get(name) if isinstance(waits, dict) else None
    if settled is None:
        timeout_s = None if timeout is None else seconds(timeout)
        raise Deferred({**wait, "key": name, "timeout_s": timeout_s})
    if settled["verdict"] == "timed_out":
        raise WaitTimedOut(f"{what}: nothing came for {name} in time")
    if settled["verdict"] != "came":
        raise RefusedError(f"{what}: {settled.get('message') or 'it can never happen'}")
    return dict(settled)
