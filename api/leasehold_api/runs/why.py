"""Why a task instance does not run: from facts to an answer. Pure.

The answer is definite: what waits for a site names, of every site that would do, the one thing that keeps it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, assert_never

from leasehold_api.acting import Team
from leasehold_api.clock import instant, instant_or_none
from leasehold_protocol.v1.runs import TaskState
from leasehold_protocol.v1.why import Why, WhyKind, WhyReason, WhyRun

SHOWN_NAMES = 5
"""How many names a sentence lists; all are in the details."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFacts:
    """One agent of a site, as the API knows it."""

    name: str
    locked_because: str | None = None
    last_seen_at: float | None = None
    is_connected: bool = True
    hours_until: float | None = None
    """The site is outside its working hours until then."""
    is_outside_hours: bool = False
    paused_because: Sequence[str] = ()
    """Why it takes no work, by order or by its own word."""
    paused_until: float | None = None
    slots: int = 1
    running: Sequence[str] = ()
    """What it runs, as ``dag.task``."""
    running_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFacts:
    """One site of the team, seen from one placement."""

    name: str
    lacks: str | None = None
    """What it does not offer; none: it would do."""
    locked_because: str | None = None
    locked_at: float | None = None
    refused_because: str | None = None
    refused_until: float | None = None
    max_running: int | None = None
    """How many task instances may run there at once; none: as many as there are slots."""
    running: int = 0
    agents: Sequence[AgentFacts] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamFacts:
    """An upstream task instance that has not ended."""

    task: str
    state: TaskState
    since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """A task instance, and what may keep it."""

    task_instance: str
    task: str
    map_index: int
    state: TaskState
    reason: str | None = None
    due_at: float | None = None
    since: float | None = None
    site: str | None = None
    upstream: Sequence[UpstreamFacts] = ()
    input: str | None = None
    assigned_to: Sequence[str] = ()
    needs: str = ""
    """What it needs, in words."""
    granted_nowhere: Sequence[str] = ()
    """Connections that it needs and no site was granted."""
    sites: Sequence[SiteFacts] = ()
    pack: str | None = None
    """A pack with the Python that it needs, which an agent could get where nothing else is missing."""
    limits: Sequence[WhyReason] = ()
    """Limits that are reached, as ``runs/blocking.py`` tells them."""


@dataclass(frozen=True, slots=True)
class _Found:
    kind: WhyKind
    message: str
    site: str | None = None
    since: float | None = None
    until: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def told(self) -> WhyReason:
        return WhyReason(
            kind=self.kind,
            message=self.message,
            site=self.site,
            since=instant_or_none(self.since),
            until=instant_or_none(self.until),
            details=dict(self.details),
        )


def why(facts: TaskFacts, *, now: float) -> Why:
    """Return why a task instance does not run."""
    reasons = [found.told() for found in _found(facts, now)]
    if facts.limits:
        reasons = [*facts.limits, *(each for each in reasons if each.kind is not WhyKind.ABOUT_TO_START)]
    return Why(
        task_instance=facts.task_instance,
        task=facts.task,
        map_index=facts.map_index,
        state=facts.state,
        summary="; ".join(reason.message for reason in reasons),
        reasons=reasons,
    )


def _found(facts: TaskFacts, now: float) -> list[_Found]:
    match facts.state:
        case TaskState.NONE:
            return [_upstream(facts)]
        case TaskState.QUEUED:
            return _queued(facts)
        case TaskState.UP_FOR_RETRY:
            return [_due(WhyKind.RETRY_DUE, "it is tried again", facts, now)]
        case TaskState.UP_FOR_RESCHEDULE:
            return [_due(WhyKind.RESCHEDULED, "it asked to be started again", facts, now)]
        case TaskState.DEFERRED:
            return [_deferred(facts, now)]
        case TaskState.RUNNING:
            return [_Found(WhyKind.RUNNING, f"it is running at site {facts.site}", site=facts.site, since=facts.since)]
        case TaskState.SUCCESS | TaskState.FAILED | TaskState.SKIPPED | TaskState.UPSTREAM_FAILED | TaskState.CANCELLED:
            how = facts.state.value.replace("_", " ")
            return [_Found(WhyKind.ENDED, f"it has ended: {how}{_because(facts.reason)}", since=facts.since)]
        case _:
            assert_never(facts.state)


def _upstream(facts: TaskFacts) -> _Found:
    states = Counter((each.task, each.state.value.replace("_", " ")) for each in facts.upstream)
    shown = [f"{task} ({state if many == 1 else f'{many} {state}'})" for (task, state), many in states.items()]
    details = {"upstream": [{"task": each.task, "state": each.state.value} for each in facts.upstream]}
    return _Found(WhyKind.UPSTREAM, f"waits for {_listed(shown) or 'the tasks before it'}", details=details)


def _due(kind: WhyKind, what: str, facts: TaskFacts, now: float) -> _Found:
    when = "at once" if facts.due_at is None or facts.due_at <= now else f"in {_duration(facts.due_at - now)}"
    return _Found(kind, f"{what} {when}{_because(facts.reason)}", until=facts.due_at)


def _deferred(facts: TaskFacts, now: float) -> _Found:
    left = "" if facts.due_at is None else f", for {_duration(max(0.0, facts.due_at - now))} at most"
    if facts.input is None:
        return _Found(WhyKind.DEFERRED, f"{facts.reason or 'it waits'}{left}", since=facts.since, until=facts.due_at)
    by = f" by {_listed(list(facts.assigned_to))}" if facts.assigned_to else ""
    message = f"waits for an answer{by}{left}: leasehold inputs answer {facts.input}"
    details = {"input": facts.input, "assigned_to": list(facts.assigned_to)}
    return _Found(WhyKind.INPUT, message, since=facts.since, until=facts.due_at, details=details)


def _queued(facts: TaskFacts) -> list[_Found]:
    if not facts.sites:
        return [_Found(WhyKind.NO_SITE, "the team has no site yet: leasehold sites create NAME", since=facts.since)]
    fitting = [site for site in facts.sites if site.lacks is None]
    if not fitting:
        return [_not_offered(facts)]
    found = [_kept_by(site) for site in fitting]
    free = [each for each in found if each.kind is WhyKind.ABOUT_TO_START]
    return free or found


def _not_offered(facts: TaskFacts) -> _Found:
    lacking = {site.name: site.lacks for site in facts.sites}
    if facts.granted_nowhere:
        name = facts.granted_nowhere[0]
        message = (
            f"connection {name} is granted to no site: an admin can grant it "
            f"(leasehold connections set {name} --site SITE)"
        )
        details = {"connections": list(facts.granted_nowhere), "sites": lacking}
        return _Found(WhyKind.NOT_GRANTED, message, since=facts.since, details=details)
    each = _listed([f"{name}: {lack}" for name, lack in lacking.items()])
    message = f"no site offers what it needs: {facts.needs} ({each})"
    if facts.pack is not None:
        message += f"; an agent can get it: edge-agent packs add {facts.pack}"
    details = {"sites": lacking} | ({} if facts.pack is None else {"pack": facts.pack})
    return _Found(WhyKind.NOT_OFFERED, message, since=facts.since, details=details)


def _kept_by(site: SiteFacts) -> _Found:
    """Return the one thing that keeps a site from taking it: what a person would have to change first."""
    if site.locked_because is not None:
        message = f"site {site.name} is locked: {site.locked_because}"
        return _Found(WhyKind.SITE_LOCKED, message, site.name, since=site.locked_at)
    if site.refused_because is not None:
        message = f"refused by the policy of site {site.name}: {site.refused_because}"
        return _Found(WhyKind.REFUSED, message, site.name, until=site.refused_until)
    if not site.agents:
        message = f"site {site.name} has no agent: leasehold tokens issue {site.name}"
        return _Found(WhyKind.NO_AGENT, message, site.name)
    unlocked = [agent for agent in site.agents if agent.locked_because is None]
    if not unlocked:
        message = f"the agents of site {site.name} are locked: {site.agents[0].locked_because}"
        return _Found(WhyKind.AGENT_LOCKED, message, site.name)
    connected = [agent for agent in unlocked if agent.is_connected]
    if not connected:
        return _offline(site, unlocked)
    if site.max_running is not None and site.running >= site.max_running:
        message = f"site {site.name} may run {site.max_running} task instances at once, and does"
        return _Found(WhyKind.LIMITED, message, site.name, details={"most": site.max_running})
    return _busy(site, connected)


def _offline(site: SiteFacts, agents: Sequence[AgentFacts]) -> _Found:
    since = max((agent.last_seen_at for agent in agents if agent.last_seen_at is not None), default=None)
    if since is None:
        return _Found(WhyKind.OFFLINE, f"no agent of site {site.name} was ever heard of", site.name)
    message = f"site {site.name} is offline since {_moment(since)}"
    return _Found(WhyKind.OFFLINE, message, site.name, since=since)


def _busy(site: SiteFacts, connected: Sequence[AgentFacts]) -> _Found:
    open_ = [agent for agent in connected if not agent.is_outside_hours]
    if not open_:
        until = min((agent.hours_until for agent in connected if agent.hours_until is not None), default=None)
        when = "" if until is None else f" until {_moment(until)}"
        message = f"site {site.name} is outside its working hours{when}"
        return _Found(WhyKind.WORKING_HOURS, message, site.name, until=until)
    working = [agent for agent in open_ if not agent.paused_because]
    if not working:
        reasons = {agent.name: list(agent.paused_because) for agent in open_}
        said = _listed(list(dict.fromkeys(text for texts in reasons.values() for text in texts)))
        until = min((agent.paused_until for agent in open_ if agent.paused_until is not None), default=None)
        message = f"site {site.name} takes no work: {said}"
        return _Found(WhyKind.PAUSED, message, site.name, until=until, details={"agents": reasons})
    if any(agent.running_count < agent.slots for agent in working):
        return _Found(WhyKind.ABOUT_TO_START, f"site {site.name} is about to take it", site.name)
    running = [name for agent in working for name in agent.running]
    slots = sum(agent.slots for agent in working)
    held = "its slot is" if slots == 1 else f"all its {slots} slots are"
    message = f"site {site.name} has no room: {held} taken by {_listed(_counted(running))}"
    return _Found(WhyKind.NO_SLOT, message, site.name, details={"slots": slots, "taken_by": running})


def _counted(names: Sequence[str]) -> list[str]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return [name if count == 1 else f"{name} ({count} times)" for name, count in counts.items()]


def _listed(names: list[str]) -> str:
    more = len(names) - SHOWN_NAMES
    return ", ".join(names[:SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _duration(seconds: float) -> str:
    """Return a duration as people say it; never longer than it is."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _moment(at: float) -> str:
    return instant(at).strftime("%Y-%m-%d %H:%M UTC")


class WhyStore(Protocol):
    """The facts behind the answers, read in few queries. Its promises are ``tests/api/contracts/why.py``."""

    async def of_task(self, team: Team, run: str, task: str, map_index: int | None, *, now: float) -> list[Why]:
        """Return the answer for a task, of each of its instances.

        Raises:
            NotFoundError: if the team has no such run, or the run no such task.
        """
        ...

    async def of_run(self, team: Team, run: str, *, now: float) -> WhyRun:
        """Return the answers for all that neither runs nor has ended; ``run`` may be a task instance's id.

        Raises:
            NotFoundError: if the team has neither.
        """
        ...
