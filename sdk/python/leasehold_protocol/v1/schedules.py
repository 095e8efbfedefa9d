"""When a DAG runs by itself: its schedule, how that stands, pausing it, and backfills."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from leasehold_protocol.v1.assets import AssetDeclared
from leasehold_protocol.v1.message import Identifier, Instant, Key, Message, Name, Page, Text

MOST_BACKFILL_RUNS = 10_000
"""Dates that one backfill may have."""

MOST_TRIGGERING_EVENTS = 100
"""Asset events that travel with a run; the newest of those that began it."""


def _with_offset(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("a time needs its UTC offset, like 2026-11-22T06:00:00+01:00")
    return text


# Text, not a datetime: what is signed has to be written the same way by everybody.
Moment = Annotated[str, Field(max_length=64), AfterValidator(_with_offset)]
"""A point in time as RFC 3339 text, as the author's program wrote it."""


class AssetTerm(Message):
    """True once the asset has an event that no run was begun by."""

    kind: Literal["asset"] = "asset"
    asset: AssetDeclared


class AliasTerm(Message):
    """True once an event came under this alias."""

    kind: Literal["alias"] = "alias"
    alias: Key


class AllOf(Message):
    """``a & b``."""

    kind: Literal["all"] = "all"
    of: Annotated[list[AssetCondition], Field(min_length=1, max_length=100)]


class AnyOf(Message):
    """``a | b``."""

    kind: Literal["any"] = "any"
    of: Annotated[list[AssetCondition], Field(min_length=1, max_length=100)]


AssetCondition = Annotated[AssetTerm | AliasTerm | AllOf | AnyOf, Field(discriminator="kind")]
"""Which asset events begin a run."""

AllOf.model_rebuild()
AnyOf.model_rebuild()


class Schedule(Message):
    """When a DAG runs by itself: one of ``cron``, ``every_s``, ``once``, ``continuous`` and ``assets``.

    ``assets`` may stand beside ``cron`` or ``every_s``: then it runs when either of both is due.
    """

    cron: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=20)] = Field(
        default_factory=list[str]
    )
    """Cron expressions of five fields; it is due when one of them is."""
    every_s: Annotated[float, Field(ge=1, le=366 * 86400)] | None = None
    """Elapsed time, counted from ``start``, or from when this schedule was first deployed."""
    once: bool = False
    continuous: bool = False
    """A run begins when the one before has ended."""
    assets: AssetCondition | None = None
    timezone: Annotated[str, Field(max_length=64)] = "UTC"
    """The IANA name of the zone that cron expressions are read in."""
    start: Moment | None = None
    end: Moment | None = None
    catchup: bool = False
    """Times that were missed have a run each; else the latest of them has one."""

    @property
    def goes_by_time(self) -> bool:
        """It has times of its own."""
        return bool(self.cron) or self.every_s is not None

    @property
    def goes_by_both(self) -> bool:
        """It is due at its times, and when its assets were written."""
        return self.goes_by_time and self.assets is not None

    @model_validator(mode="after")
    def _is_one_kind(self) -> Schedule:
        kinds = (bool(self.cron), self.every_s is not None, self.once, self.continuous, self.assets is not None)
        if sum(kinds) != 1 and not (sum(kinds) == 2 and self.goes_by_both):
            raise ValueError("a schedule is one of: cron, every_s, once, continuous, assets; or assets and a time")
        if self.start and self.end and datetime.fromisoformat(self.end) < datetime.fromisoformat(self.start):
            raise ValueError("the schedule ends before it starts")
        if self.catchup and self.start is None:
            raise ValueError("catchup needs a start: from when on are there times to make up for?")
        return self


class ScheduleStanding(Message):
    """How the schedule of a DAG stands."""

    text: str = ""
    """In words: ``0 6 * * * (Europe/Berlin)``. Empty: the DAG has none."""
    next: Instant | None = None
    """The next time it is due."""
    last: Instant | None = None
    """The logical date of the last run that it began."""
    waits: str | None = None
    """Why nothing is begun at the moment."""
    paused_at: Instant | None = None
    paused_by: str | None = None
    paused_note: str | None = None
    upcoming: list[Instant] = Field(default_factory=list[Instant])
    """With one DAG: the times after ``next``."""


class PauseDag(Message):
    """``POST /v1/teams/{team}/dags/{dag}/pause``."""

    note: Annotated[Text, Field(max_length=500)] | None = None


class Reprocess(StrEnum):
    """Which dates of a backfill are run again."""

    NONE = "none"  # only those without a run
    FAILED = "failed"  # also those whose last run failed or was cancelled
    COMPLETED = "completed"  # also those whose last run succeeded


class BackfillRequest(Message):
    """``POST /v1/teams/{team}/dags/{dag}/backfills``, and with the same words in the query ``GET …/backfill-plan``."""

    from_: Annotated[Instant, Field(alias="from")]
    to: Instant
    """Included."""
    reprocess: Reprocess = Reprocess.NONE
    max_active: Annotated[int, Field(ge=1, le=1000)] = 4
    """How many of its runs go on at the same time."""


class BackfillDate(Message):
    """One date of a backfill's plan."""

    logical_date: Instant
    will_run: bool
    run: Identifier | None = None
    """The last run of this date that there is."""
    state: str | None = None


class BackfillPlan(Message):
    """What a backfill would do; nothing was begun."""

    dag: Name
    dates: list[BackfillDate]
    will_run: int


class BackfillState(StrEnum):
    """The states of a backfill."""

    RUNNING = "running"
    COMPLETED = "completed"  # every run has ended
    CANCELLED = "cancelled"  # no more runs are begun; those that were have been cancelled


class Backfill(Message):
    """Runs for dates in the past, begun one after the other."""

    backfill: Identifier
    dag: Name
    from_: Annotated[Instant, Field(alias="from")]
    to: Instant
    reprocess: Reprocess
    max_active: int
    state: BackfillState
    total: int
    """Runs in all, those that are not begun included."""
    active: int = 0
    succeeded: int = 0
    failed: int = 0
    """Failed or cancelled."""
    created_at: Instant
    created_by: str
    ended_at: Instant | None = None


class BackfillList(Page):
    """``GET /v1/teams/{team}/backfills``: newest first."""

    items: list[Backfill]
