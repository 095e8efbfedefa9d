"""How a task says that it did not simply succeed: raise one of these."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta


class Ending(Exception):  # noqa: N818 - these are endings, not errors: Skip is a way to be done
    """A way for a task to end that isn't an ordinary result or an ordinary exception."""


class Skip(Ending):
    """Nothing to do: the task is skipped, and so are the tasks that need its success.

    With ``downstream`` the task succeeds, and of the tasks directly after it only those named are skipped.
    """

    def __init__(self, message: str = "", *, downstream: Sequence[str] | str = ()) -> None:
        super().__init__(message)
        self.downstream = [downstream] if isinstance(downstream, str) else list(downstream)


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


class Reschedule(Ending):
    """Not yet: start the task again ``after`` a while or ``at`` a time. No slot taken meanwhile, no try spent."""

    def __init__(
        self, message: str = "", *, after: float | str | timedelta | None = None, at: datetime | None = None
    ) -> None:
        from leasehold.durations import seconds

        super().__init__(message)
        if (after is None) == (at is None):
            raise ValueError('Reschedule needs one of after="5m" and at=datetime(…)')
        self.after_s = None if after is None else seconds(after)
        self.at = None if at is None else aware(at)


class Deferred(Ending):
    """The task waits for something: raised by ``defer`` and ``await_input``, and not for authors to raise."""

    def __init__(self, wait: dict[str, object]) -> None:
        super().__init__("the task waits; it is started again, from its top, when that is over")
        self.wait = wait


def aware(at: datetime) -> str:
    """Return a time as RFC 3339 text.

    Raises:
        ValueError: if it says of no place what time it is there.
    """
    if getattr(at, "tzinfo", None) is None or at.utcoffset() is None:
        raise ValueError(f"{at!r} has no time zone: add one, like datetime(2026, 11, 22, 6, tzinfo=timezone.utc)")
    return at.isoformat()
