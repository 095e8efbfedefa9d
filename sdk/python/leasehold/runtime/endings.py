"""How a task says that it did not simply succeed: raise one of these."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta


class Ending(Exception):  # noqa: N818 - these are endings, not errors: Skip is a way to be done
    """A way for a task to end that isn't an ordinary result or an ordinary exception."""


class Skip(Ending):
    """Nothing to do: the task is skipped, and so are the tasks that need its success."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)


class Fail(Ending):
    """The task failed and trying again is no use: its retries are not spent."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)


class Retry(Ending):
    """Try the task again, ``after`` a while (seconds, ``"10m"``, or a ``timedelta``; the task's own delay if None).

    Counts as one of the task's ``retries``.
    """

    def __init__(self, message: str = "", *, after: float | str | timedelta | None = None) -> None:
        from leasehold.durations import seconds

        super().__init__(message)
        self.after_s = None if after is None else seconds(after)
