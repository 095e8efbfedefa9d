"""Why a task instance is not running: an answer as data and in words."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from leasehold_protocol.v1.message import Identifier, Instant, Json, Message, Name
from leasehold_protocol.v1.runs import RunState, TaskState


class WhyKind(StrEnum):
    """What keeps a task instance from running."""

    UPSTREAM = "upstream"  # tasks that it depends on have not ended
    RETRY_DUE = "retry_due"  # it failed, and is tried again later
    RESCHEDULED = "rescheduled"  # it asked to be started again later
    DEFERRED = "deferred"  # it waits for a time, an event, another run
    INPUT = "input"  # it waits for a person's answer
    LIMITED = "limited"  # a limit is reached
    NO_SITE = "no_site"  # its team has no site
    NOT_GRANTED = "not_granted"  # no site was granted a connection that it needs
    NOT_OFFERED = "not_offered"  # no site offers what it needs
    SITE_LOCKED = "site_locked"
    NO_AGENT = "no_agent"  # the site has no agent
    AGENT_LOCKED = "agent_locked"
    OFFLINE = "offline"  # no agent of the site was heard of lately
    REFUSED = "refused"  # by the site's own policy
    WORKING_HOURS = "working_hours"  # the site is outside its own
    PAUSED = "paused"  # its agents take no work: by order, or because they are not well
    NO_SLOT = "no_slot"  # others run there
    ABOUT_TO_START = "about_to_start"  # nothing keeps it
    RUNNING = "running"
    ENDED = "ended"


class WhyReason(Message):
    """One thing that keeps it from running."""

    kind: WhyKind
    message: str
    site: Name | None = None
    since: Instant | None = None
    until: Instant | None = None
    """When it ends by itself, as far as that is known."""
    details: dict[str, Json] = Field(default_factory=dict[str, Json])


class Why(Message):
    """``GET /v1/teams/{team}/runs/{run}/tasks/{task}/why``."""

    task_instance: Identifier
    task: Name
    map_index: int = -1
    state: TaskState
    summary: str
    """All of it in one line."""
    reasons: list[WhyReason] = Field(default_factory=list[WhyReason])
    """What waits for a site has one for each site that would do, if there is one."""


class WhyRun(Message):
    """``GET /v1/teams/{team}/runs/{run}/why``: of every task instance that neither runs nor has ended."""

    run: Identifier
    state: RunState
    reason: str | None = None
    """Why the run itself has not begun."""
    items: list[Why] = Field(default_factory=list[Why])
    left_out: int = 0
    """How many more wait than are told of here."""
