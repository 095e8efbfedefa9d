"""Endings that the agent writes itself: of attempts that no host began, or whose host is gone."""

from __future__ import annotations

import hashlib

from leasehold_agent.attempts.directory import AttemptDirectory
from leasehold_agent.attempts.roster import Held
from leasehold_agent.clock import utc_now
from leasehold_agent.host import instants
from leasehold_agent.host.lines import record
from leasehold_agent.host.remains import kill_remains
from leasehold_protocol.v1.leases import Ending, EndingKind
from leasehold_protocol.v1.telemetry import LogTail


def has_ended(held: Held) -> bool:
    """There is an ending, on the disk or, where that took none, in memory."""
    return held.unwritten_ending is not None or held.directory.has_ended()


def end(directory: AttemptDirectory, ending: Ending) -> tuple[list[int], OSError | None]:
    """Kill what is left of an attempt that no host attends to, then write its ending.

    With a host, it is left alone: the host will write the ending.

    Returns:
        what was killed, and why the ending could not be written.
    """
    with directory.seized() as is_seized:
        if not is_seized:
            return [], None
        killed = kill_remains(directory.path)
        _end_container(directory)
        try:
            directory.write_ending(ending)
        except OSError as error:
            return killed, error
        return killed, None


def _end_container(directory: AttemptDirectory) -> None:
    """End the container of an attempt: with docker it is no process of ours.

    Raises:
        TimeoutError: it does not end.
    """
    if not (directory.path / "container.env").exists():
        return
    runtime = directory.lease_facts().get("runtime")
    site = runtime.get("containers") if isinstance(runtime, dict) else None
    if isinstance(site, dict):
        from leasehold.runtime.rules.containers import container_name
        from leasehold_agent.runtimes.engines import end_container

        end_container(str(site["engine"]), container_name(directory.attempt))


def only_line(message: str) -> LogTail:
    """Return the whole log of an attempt that has no directory."""
    line = record(instants.now(), "agent", message)
    return LogTail(offset=0, data=line, size=len(line), sha256=hashlib.sha256(line).hexdigest())


def ending(kind: EndingKind, message: str) -> Ending:
    """Return an ending as of now."""
    return Ending(kind=kind, message=message[:4000], ended_at=utc_now())
