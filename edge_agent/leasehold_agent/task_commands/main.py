"""``edge-agent task`` from its arguments to its exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import IntEnum

from leasehold.errors import (
    LeaseholdError,
    NotFoundError,
    NotGrantedError,
    UnavailableError,
    UndeclaredError,
    WaitTimedOut,
)
from leasehold.runtime.host import current_host
from leasehold_agent.task_commands.arguments import parsed
from leasehold_agent.task_commands.waiting import WaitingError


class TaskExit(IntEnum):
    """How ``edge-agent task`` ended, for scripts. No number of ``leasehold_agent.exits`` means something else here."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    NOT_DECLARED = 20
    NOT_GRANTED = 21
    NOT_FOUND = 22
    UNAVAILABLE = 23
    REFUSED = 24
    NO_TASK = 25
    TIMED_OUT = 26
    WAITS = 27


_BY_KIND: tuple[tuple[type[LeaseholdError], TaskExit], ...] = (
    (UndeclaredError, TaskExit.NOT_DECLARED),
    (NotGrantedError, TaskExit.NOT_GRANTED),
    (NotFoundError, TaskExit.NOT_FOUND),
    (WaitTimedOut, TaskExit.TIMED_OUT),
    (UnavailableError, TaskExit.UNAVAILABLE),
    (LeaseholdError, TaskExit.REFUSED),
)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    given = parsed(arguments)
    try:
        host = current_host()
        if host is None:
            return _told(
                "no task is running here: LEASEHOLD_TASK_URL is set where the agent runs one", TaskExit.NO_TASK
            )
        answer: str | None = given.act(host, given)
    except LeaseholdError as problem:
        return _told(str(problem), next(code for kind, code in _BY_KIND if isinstance(problem, kind)))
    except WaitingError:
        return _told("the task waits: end the script now; it is run again, from its top", TaskExit.WAITS)
    except (ValueError, TypeError) as problem:  # a duration, or a text with half a character in it
        return _told(str(problem), TaskExit.USAGE)
    return TaskExit.OK if answer is None else _printed(answer)


def _printed(answer: str) -> int:
    try:
        sys.stdout.buffer.write(answer.encode() + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # Whoever reads has seen enough. Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return TaskExit.OK


def _told(problem: str, code: TaskExit) -> int:
    sys.stderr.buffer.write(f"edge-agent task: {problem}\n".encode(errors="backslashreplace"))
    sys.stderr.buffer.flush()
    return code
