"""The result that a program printed, kept as if it had been sent."""

from __future__ import annotations

from functools import partial

from leasehold.runtime.rules.program_results import ResultCapture, ResultError
from leasehold_agent.host.numbered import DiskFullError
from leasehold_agent.host.room import when_there_is_room
from leasehold_agent.host.spool import Spool
from leasehold_agent.host.task_calls.xcoms import RESULT_KEY

PATIENCE_S = 600.0
"""How long a finished program's result waits for a full disk: its work is done, and what others deliver makes room."""


async def keep_printed(capture: ResultCapture, spool: Spool) -> str | None:
    """Write the result that a program printed, unless it sent one; return what is wrong with it."""
    if spool.read_xcom(RESULT_KEY) is not None:
        return None
    try:
        text = capture.text()
        if text is not None:
            await when_there_is_room(partial(spool.write_xcom, RESULT_KEY, text), patience_s=PATIENCE_S)
    except ResultError as problem:
        return str(problem)
    except DiskFullError:
        return f"the result could not be kept: the disk of this site was full for {PATIENCE_S:g} s"
    return None
