"""What can go wrong when a running task asks for something, sorted by what the task can do about it."""

from __future__ import annotations


class LeaseholdError(Exception):
    """Anything a task asked for and did not get. The message names the cause and the cure."""


class UndeclaredError(LeaseholdError):
    """The task did not declare the connection or variable it asked for: declare it in ``@task(...)`` and deploy."""


class NotGrantedError(LeaseholdError):
    """The site that runs the task was not granted what it asked for: an admin can grant it."""


class NotFoundError(LeaseholdError, LookupError):
    """There is no such connection, variable or XCom."""


class WaitTimedOut(LeaseholdError, TimeoutError):  # noqa: N818 - what happened, not what is wrong
    """What the task waited for did not happen in time. The author decides what that means."""


class UnavailableError(LeaseholdError, TimeoutError):
    """Nobody could answer within the time allowed. Trying again later may help."""


class RefusedError(LeaseholdError):
    """The request can never succeed as it is: too large, of the wrong shape, or not known to this agent."""
