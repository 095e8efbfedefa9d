"""What keeps a queued task instance from running, as data: for people, and for whoever explains it to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from leasehold_api.runs.limits import LimitKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A task instance that takes slots of a limit."""

    task_instance: str
    run: str
    dag: str
    task: str
    map_index: int
    slots: int
    since: float
    site: str | None
    """Where it runs; none: it is admitted and waits for an agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FullLimit:
    """A limit that a task instance passes."""

    kind: LimitKind
    name: str
    """As people know it: the pool, the DAG, ``DAG.TASK``, the run."""
    most: int
    used: int
    slots: int
    """What the task instance takes of it."""
    is_set: bool = True
    """False: the pool is named by a task, and nobody made it."""
    holders: list[Holder] = field(default_factory=list[Holder])
    """Who has slots of it, the longest first; at most ``SHOWN_HOLDERS``."""

    @property
    def is_full(self) -> bool:
        """It has no room for this task instance."""
        return self.used + self.slots > self.most

    @property
    def never_fits(self) -> bool:
        """It would have no room even if nobody else took any."""
        return self.slots > self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteStanding:
    """A site of the team, as seen by one task instance."""

    site: str
    mismatch: str | None
    """Why it does not offer what is needed, in words; none: it does."""
    locked_because: str | None = None
    max_running: int | None = None
    running: int | None = None
    """Counted only where there is a ceiling."""
    agents: int = 0
    """Its agents that are not locked."""
    last_seen_at: float | None = None
    """When one of them was heard of last."""

    @property
    def is_full(self) -> bool:
        """Its ceiling is reached."""
        return self.max_running is not None and (self.running or 0) >= self.max_running


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocking:
    """How a queued task instance stands."""

    queued_at: float | None
    fails_at: float | None
    """When its ``queue_timeout`` is over."""
    limits: list[FullLimit]
    """All limits it passes, narrow ones first, while it is not admitted; empty once it is."""
    ahead: int
    """How many of its line are admitted before it; counted up to ``COUNTED_AHEAD``."""
    team_max_running: int | None
    team_running: int | None
    """Counted only where there is a ceiling."""
    sites: list[SiteStanding]

    @property
    def full(self) -> list[FullLimit]:
        """The limits that have no room for it."""
        return [limit for limit in self.limits if limit.is_full]

    @property
    def is_team_full(self) -> bool:
        """The team's ceiling is reached."""
        return self.team_max_running is not None and (self.team_running or 0) >= self.team_max_running


SHOWN_HOLDERS = 10
COUNTED_AHEAD = 1000

_WHAT = {
    LimitKind.POOL: "pool {name}",
    LimitKind.DAG: "the DAG {name} over all its runs",
    LimitKind.TASK: "the task {name} over all runs",
    LimitKind.RUN: "this run",
    LimitKind.TASK_IN_RUN: "the task {name} in this run",
}


def in_words(limit: FullLimit) -> str:
    """Return why a full limit lets nobody through, with the cure where there is one beside waiting."""
    what = _WHAT[limit.kind].format(name=limit.name)
    if not limit.is_set:
        return f"there is no {what}: leasehold pools set {limit.name} --slots NUMBER"
    if limit.never_fits:
        cure = f": leasehold pools set {limit.name} --slots NUMBER" if limit.kind is LimitKind.POOL else ""
        return f"{what} has {limit.most} slots, and the task needs {limit.slots}{cure}"
    if limit.kind is LimitKind.POOL:
        return f"{what} is full: {limit.used} of {limit.most} slots are taken, and the task needs {limit.slots}"
    return f"at its limit: {what} may have {limit.most} task instances at once, and has {limit.used}"


def why_in_words(blocking: Blocking) -> str:
    """Return the first thing that keeps a task instance, in a few words."""
    if blocking.full:
        return in_words(blocking.full[0])
    offering = [site for site in blocking.sites if site.mismatch is None]
    if not offering:
        return "; ".join(f"site {site.site}: {site.mismatch}" for site in blocking.sites[:5]) or "the team has no site"
    if blocking.is_team_full:
        return f"the team may run {blocking.team_max_running} task instances at once, and does"
    open_ = [site for site in offering if site.locked_because is None and site.agents]
    if not open_:
        return f"no agent may work at {', '.join(site.site for site in offering)}"
    if all(site.is_full for site in open_):
        return f"{', '.join(site.site for site in open_)} run as many as they may at once"
    return f"no agent at {', '.join(site.site for site in open_)} had a free slot"


class BlockingStore(Protocol):
    """Says what keeps task instances."""

    async def blocking(self, team_id: str, instance: str) -> Blocking | None:
        """Return how a queued task instance stands; none when it is not queued.

        Raises:
            NotFoundError: if the team has no such task instance.
        """
        ...
