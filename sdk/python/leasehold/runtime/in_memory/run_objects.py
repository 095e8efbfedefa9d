"""Runs and DAGs that a test gives its tasks to look at, as plain objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, date, datetime

from leasehold.errors import RefusedError

RUN_STATES = ("queued", "running", "success", "failed", "cancelled")
TASK_STATES = (
    "none", "queued", "running", "up_for_retry", "up_for_reschedule", "deferred", "success", "failed", "skipped",
    "upstream_failed", "cancelled",
)  # fmt: skip


Moment = datetime | date | str


@dataclass(frozen=True, slots=True)
class GivenRun:
    """One run, for ``leasehold.testing.run(…, runs=[…])``: what ``leasehold.runs`` tells of it.

    Attributes:
        logical_date: The moment it stands for: text, a ``date`` or a ``datetime``.
        state: ``running``, ``success``, ``failed`` or ``cancelled``.
        dag: Its DAG; None: the one under test.
        run: Its id; None: ``given-1``, ``given-2``, … as they are written.
        params: Its parameters.
        tasks: The states of its tasks.
        data_interval: What it was about, from and until; None: its logical date twice.
    """

    logical_date: Moment
    state: str = "success"
    _: KW_ONLY
    dag: str | None = None
    run: str | None = None
    params: Mapping[str, object] = field(default_factory=dict[str, object])
    tasks: Mapping[str, str] = field(default_factory=dict[str, str])
    data_interval: tuple[Moment, Moment] | None = None

    def __post_init__(self) -> None:
        """Refuse what can't be.

        Raises:
            RefusedError: if the date is none.
            ValueError: if a state is none, naming those there are, or the interval is no pair of times in their order.
        """
        instant(self.logical_date)
        interval(self.data_interval)
        _check_state(self.state, RUN_STATES)
        for state in self.tasks.values():
            _check_state(state, TASK_STATES)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenDag:
    """Another DAG, for ``leasehold.testing.run(…, dags={name: …})``.

    Attributes:
        tasks: The ids of its tasks.
        description: What its author wrote.
        ends: How the runs of it end that the tasks under test start: ``success``, ``failed``, ``cancelled``;
            ``running``: not at all.
    """

    tasks: Sequence[str] = ()
    description: str = ""
    ends: str = "success"

    def __post_init__(self) -> None:
        """Refuse states that there are not.

        Raises:
            ValueError: naming those there are.
        """
        _check_state(self.ends, RUN_STATES)


def instant(value: object) -> datetime:
    """Return the moment that a test, or a task, names; without a time zone it is UTC.

    Raises:
        RefusedError: if it is none.
    """
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise RefusedError(f"{str(value)[:80]!r} can't be a time: use RFC 3339, like 2026-11-22T06:00:00Z") from None
    match found:
        case datetime():
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        case date():
            return datetime(found.year, found.month, found.day, tzinfo=UTC)
        case _:
            raise RefusedError(f"{value!r} can't be a time")


def interval(said: tuple[Moment, Moment] | None) -> dict[str, str]:
    """Return the fields of a run's facts for a data interval that a test gives.

    Raises:
        RefusedError: if one of its ends is no time.
        ValueError: if it is no pair, or ends before it begins.
    """
    if said is None:
        return {}
    if len(said) != 2:
        raise ValueError(f"data_interval={said!r} is no pair: write (from, until)")
    start, end = map(instant, said)
    if end < start:
        raise ValueError(f"the data interval ends ({end}) before it begins ({start}): turn them round")
    return {"data_interval_start": start.isoformat(), "data_interval_end": end.isoformat()}


def text(value: object) -> str:
    """Return a moment as RFC 3339 text.

    Raises:
        RefusedError: if it is none.
    """
    return instant(value).isoformat()


def _check_state(state: str, known: Sequence[str]) -> None:
    if state not in known:
        raise ValueError(f"{state!r} can't be a state: use one of {', '.join(known)}")
