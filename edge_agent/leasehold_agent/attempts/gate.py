"""The site's policy at work: which leases may start and with which limits, what tasks ask, when no work is taken."""

from __future__ import annotations

import os
import re
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from leasehold_agent.attempts.directory import AttemptDirectory
from leasehold_agent.attempts.roster import Phase, Roster, StopOrder
from leasehold_agent.health.reasons import Name
from leasehold_agent.host.allowed import resolved
from leasehold_agent.policy.file import PolicyFile
from leasehold_protocol.v1.agents import PolicyFacts
from leasehold_protocol.v1.leases import Ending, EndingKind, Lease, Refusal
from leasehold_protocol.v1.manifest import ContainerWork, LiteralValue, ProgramWork, TaskEntry

if TYPE_CHECKING:
    from leasehold_agent.policy.hours import HoursNow
    from leasehold_agent.policy.model import Policy

_SHELL = "/bin/sh"
_QUESTION = re.compile(r"/v1/(?P<what>connections|variables)/(?P<name>[^?#]+)")
_MIB = 1024 * 1024


class Gate:
    """Stands between leases and their start. Without a policy everything may pass."""

    def __init__(self, file: PolicyFile, roster: Roster) -> None:
        self._file = file
        self._roster = roster
        self._known_hours: tuple[str | None, datetime, HoursNow] | None = None
        self._told: PolicyFacts | None = None
        self._told_in_force: tuple[str | None, str | None] = (None, None)

    def look(self) -> None:
        """Read the policy again when its file changed."""
        self._file.look()

    def reload(self) -> None:
        """Read the policy again."""
        self._file.reload()

    def refuse(self, lease: Lease, directory: AttemptDirectory, *, now: datetime) -> Ending | None:
        """Return the ending of an attempt that may not start here; none when it may."""
        policy = self._file.policy
        if reason := self._why_closed(now):
            return Ending(kind=EndingKind.REFUSED, message=reason, ended_at=now)
        if policy is None or self._file.fingerprint is None:
            return None
        from leasehold_agent.policy.rules import Asked, refusals
        from leasehold_agent.policy.signers import signed

        task = lease.task
        asked = Asked(
            team=lease.run.team,
            dag=lease.run.dag,
            task=task.id,
            runtime=task.work.kind,
            connections=task.needs.connections,
            variables=task.variables,
            timeout_s=task.timeout_s,
            max_offline_s=task.max_offline_s,
            program=_known_program(task, directory),
            sets=list(task.work.env) if isinstance(task.work, ProgramWork) else [],
            image=task.work.image if isinstance(task.work, ContainerWork) else None,
            signed=None if policy.signers is None else signed(lease, policy.signers.keys),
            at=now,
        )
        if not (reasons := refusals(policy, asked)):
            return None
        message = f"refused by the site's policy: {'; '.join(reasons)}"[:4000]
        refusal = Refusal(policy=self._file.fingerprint)
        return Ending(kind=EndingKind.REFUSED, message=message, ended_at=now, refusal=refusal)

    def refuse_question(self, path: str) -> tuple[int, object] | None:
        """Return the answer to what a running task asks and may not have; none when it may."""
        found = _QUESTION.fullmatch(path)
        if found is None:
            return None
        if self._file.problem is not None:
            return 503, {"code": "unavailable", "detail": f"the site's policy can't be used: {self._file.problem}"}
        if (policy := self._file.policy) is None:
            return None
        from leasehold_agent.policy.rules import allows_connection, allows_variable

        name = unquote(found["name"])
        allows = allows_connection if found["what"] == "connections" else allows_variable
        if allows(policy, name):
            return None
        what = found["what"].removesuffix("s")
        return 403, {"code": "refused_by_policy", "detail": f"the site's policy does not allow the {what} {name}"}

    def limits(self) -> dict[str, object]:
        """Return the ``limits`` of ``lease.json``: what the host enforces."""
        if (policy := self._file.policy) is None:
            return {}
        from leasehold_agent.policy.rules import program_rules

        limits = policy.limits
        return {
            "log_bytes": limits.log,
            "file_bytes": limits.file,
            "memory_bytes": limits.memory_per_process,
            "timeout_s": limits.timeout,
            "programs": [asdict(rule) for rule in program_rules(policy)],
            "environments": policy.environments,
            "policy": self._file.fingerprint,
        }

    def facts(self, *, now: datetime) -> PolicyFacts | None:
        """Return what the API is told; none without a policy."""
        if not self._file.is_wanted:
            return None
        policy, hours = self._file.policy, self._hours(now)
        return PolicyFacts(
            fingerprint=self._file.fingerprint,
            problem=None if self._file.problem is None else self._file.problem[:1000],
            slots=None if policy is None else policy.limits.slots,
            hours_open=None if hours is None else hours.is_open,
            hours_until=None if hours is None else hours.until,
        )

    def in_words(self, *, now: datetime) -> str | None:
        """Return the policy in a line for ``status``."""
        if not self._file.is_wanted:
            return None
        if self._file.problem is not None:
            return f"can't be used, nothing may run: {self._file.problem}"
        policy, hours = self._file.policy, self._hours(now)
        words = f"{self._file.path} is in force ({(self._file.fingerprint or '')[:8]})"
        if policy is None or hours is None:
            return words
        return f"{words}, {'within' if hours.is_open else 'outside'} working hours until {_shown(hours.until, policy)}"

    def most_slots(self, wish: int) -> int:
        """Return the slots to ask the API for: no more than the policy allows."""
        policy = self._file.policy
        return wish if policy is None or policy.limits.slots is None else min(wish, policy.limits.slots)

    def update(self, *, now: datetime, spooled: int = 0) -> bool:
        """Let the policy take effect on what the agent takes and runs; say whether the API should hear of it.

        Args:
            now: the time.
            spooled: how many bytes attempt directories take.
        """
        policy = self._file.policy
        self._roster.set_limit(None if policy is None else policy.limits.slots)
        self._pause(
            Name.POLICY,
            None if self._file.problem is None else f"the site's policy can't be used: {self._file.problem}",
        )
        self._pause(Name.HOURS, self._why_outside_hours(now))
        self._pause(Name.SPOOL, self._why_spool_is_full(spooled))
        if policy is not None and policy.hours is not None and policy.hours.at_end == "cancel":
            self._stop_outside_hours(now)
        facts = self.facts(now=now)
        if self._in_force() != self._told_in_force:
            # The API passes over what a policy refused, by the policy it knows of: work that it hands out before it
            # hears of this one would be refused, and handed out again, without end.
            self._roster.pause(Name.POLICY_NEWS, "the API has to be told of the changed policy first")
        is_news, self._told = facts != self._told, facts
        return is_news

    def greeted(self, facts: PolicyFacts | None) -> None:
        """The API was told ``facts``."""
        self._told_in_force = (facts.fingerprint, facts.problem) if facts is not None else (None, None)
        if self._in_force() == self._told_in_force:
            self._roster.resume(Name.POLICY_NEWS)

    def _in_force(self) -> tuple[str | None, str | None]:
        problem = self._file.problem
        return self._file.fingerprint, None if problem is None else problem[:1000]

    def _pause(self, name: Name, reason: str | None) -> None:
        if reason is None:
            self._roster.resume(name)
        else:
            self._roster.pause(name, reason)

    def _stop_outside_hours(self, now: datetime) -> None:
        if reason := self._why_outside_hours(now):
            for held in self._roster.held:
                if held.phase is not Phase.DELIVERING and not held.has_ended.is_set():
                    held.order_stop(StopOrder(kind="refused", reason=f"stopped by the site's policy: {reason}"))

    def _why_closed(self, now: datetime) -> str | None:
        if self._file.problem is not None:
            return f"the site's policy can't be used, so nothing may run there: {self._file.problem}"[:4000]
        reason = self._why_outside_hours(now)
        return None if reason is None else f"refused by the site's policy: {reason}"

    def _why_outside_hours(self, now: datetime) -> str | None:
        policy, hours = self._file.policy, self._hours(now)
        if policy is None or hours is None or hours.is_open:
            return None
        return f"outside working hours until {_shown(hours.until, policy)}"

    def _why_spool_is_full(self, spooled: int) -> str | None:
        policy = self._file.policy
        if policy is None or (most := policy.limits.spool) is None or spooled <= most:
            return None
        return f"{spooled // _MIB} MiB wait in attempt directories, more than the policy's spool of {most // _MIB}"

    def _hours(self, now: datetime) -> HoursNow | None:
        """Return how the working hours stand: worked out anew only when that may have changed."""
        policy, print_ = self._file.policy, self._file.fingerprint
        if policy is None or policy.hours is None:
            return None
        if self._known_hours is not None:
            of, since, known = self._known_hours
            if of == print_ and since <= now < known.until:
                return known
        from leasehold_agent.policy.hours import hours_at

        found = hours_at(policy.hours.rules(), ZoneInfo(policy.hours.timezone), now)
        self._known_hours = (print_, now, found)
        return found


def _known_program(task: TaskEntry, directory: AttemptDirectory) -> list[str] | None:
    """Return the program with its arguments, when none of it depends on the run; else the host asks the policy."""
    work = task.work
    if not isinstance(work, ProgramWork):
        return None
    arguments = [one.value for one in work.argv if isinstance(one, LiteralValue) and isinstance(one.value, str)]
    if len(arguments) != len(work.argv) or "PATH" in work.env:
        return None
    if work.shell:
        return [_SHELL, "-c", arguments[0], "sh", *arguments[1:]]
    path = resolved(arguments[0], search_path=os.environ.get("PATH"), cwd=str(directory.path / "work"))
    return None if path is None else [path, *arguments[1:]]


def _shown(moment: datetime, policy: Policy) -> str:
    zone = ZoneInfo(policy.hours.timezone) if policy.hours is not None else None
    return moment.astimezone(zone).strftime("%a %Y-%m-%d %H:%M %Z")
