"""Where the agent stands: what the API told it, how the link is, and what ``status`` shows of it all."""

from __future__ import annotations

import asyncio
import logging
import os

from leasehold_agent.attempts.gate import Gate
from leasehold_agent.attempts.roster import Held, Phase, Roster, StopOrder
from leasehold_agent.attempts.supervisor import Supervisor
from leasehold_agent.clock import utc_now
from leasehold_agent.config import Settings
from leasehold_agent.errors import LinkError, LockedError, RefusedError, Trouble, UnavailableError
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.identity.record import Identity
from leasehold_agent.link.greeting import compose_hello, host_facts
from leasehold_agent.status import AttemptStatus, Status
from leasehold_protocol.v1.agents import AttemptVerdict, Hello, HelloAnswer
from leasehold_protocol.v1.leases import Control, Lease, LeaseAnswer, OutcomeAnswer

logger = logging.getLogger(__name__)


class Standing:
    """Takes what the API answers, passes it on to who it concerns, and remembers what there is to say."""

    def __init__(
        self, settings: Settings, identity: Identity, roster: Roster, gate: Gate, *, version: str, once: bool
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._roster = roster
        self._gate = gate
        self._version = version
        self._once = once
        self._host = host_facts()
        self._supervisor: Supervisor | None = None
        self._hello_is_due = asyncio.Event()
        self._link = "connecting"
        self.poll_wait_s = 50.0
        self.renew_every_s = 20.0
        self.log_every_s = 1.0
        self.rotate_key_every_s = 30 * 86400.0
        self.is_locked = False
        self._lock_is_news = False
        self.was_greeted = asyncio.Event()
        self.took_a_lease = asyncio.Event()

    def connect(self, *, supervisor: Supervisor, hello_is_due: asyncio.Event) -> None:
        """Take the parts that need this one to be built first."""
        self._supervisor = supervisor
        self._hello_is_due = hello_is_due

    @property
    def is_polling(self) -> bool:
        """The pull loop asks for leases, and the API answers."""
        return self._link == "connected" and self._roster.free > 0

    def hello(self) -> Hello:
        """Return the greeting as of now."""
        return compose_hello(
            self._roster.held,
            version=self._version,
            slots=1 if self._once else self._gate.most_slots(self._settings.slots),
            labels=self._settings.labels,
            host=self._host,
            policy=self._gate.facts(now=utc_now()),
        )

    def greeted(self, said: Hello, answer: HelloAnswer) -> None:
        """Take the answer to the greeting that was sent."""
        self._gate.greeted(said.policy)
        self.poll_wait_s = answer.intervals.poll_wait_s
        self.renew_every_s = answer.intervals.renew_every_s
        self.log_every_s = answer.intervals.log_every_s
        self.rotate_key_every_s = answer.intervals.rotate_key_every_s
        self._roster.set_ceiling(answer.slots)
        for instruction in answer.attempts:
            held = self._roster.get(instruction.attempt)
            if held is not None and instruction.verdict is AttemptVerdict.DISCARD:
                _discard(held)
        if not self.was_greeted.is_set():
            facts = {"agent": answer.agent, "site": answer.site, "slots": self._roster.slots, "api": answer.api_version}
            logger.info("connected", extra=facts)
        self.was_greeted.set()
        self.obey(answer.control)

    def leased(self, answer: LeaseAnswer, asked_at: float) -> None:
        """Take leases and control events."""
        self._take(answer.leases, asked_at)
        self.obey(answer.control)

    def outcomes_answered(self, answer: OutcomeAnswer, asked_at: float) -> None:
        """Take the leases that came with the answer to outcomes."""
        self._take(answer.leases, asked_at)
        self.obey(answer.control)

    def _take(self, leases: list[Lease], asked_at: float) -> None:
        if self._supervisor is None:
            raise AssertionError("connect() comes before the first lease")
        for lease in leases:
            self._supervisor.take(lease, asked_at)
            self.took_a_lease.set()
            if self._once:
                self._roster.pause("once", "only one lease was asked for (--once)")

    def obey(self, control: list[Control]) -> None:
        """Do what the API wants."""
        for event in control:
            match event.kind:
                case "cancel":
                    held = self._roster.get(event.attempt or "")
                    if held is not None:
                        held.order_stop(StopOrder(kind="cancelled", reason=event.reason or "cancelled"))
                case "drain":
                    self._roster.pause("api", f"paused by the API: {event.reason or 'no reason given'}")
                case "resume":
                    self._roster.resume("api")
                case "hello":
                    self._hello_is_due.set()

    def link_is(self, trouble: LinkError | None) -> None:
        """Take how the last request of the pull loop went.

        Raises:
            OperatorError: right at the start, when only a person can put it right. Later the agent goes on asking:
                it has attempts, and comes back by itself when it is unlocked.
        """
        now_locked = isinstance(trouble, LockedError)
        self._lock_is_news = self._lock_is_news or (now_locked and not self.is_locked)
        self.is_locked = now_locked
        was, self._link = self._link, "connected" if trouble is None else _words(trouble)
        if trouble is not None and was != self._link:
            logger.warning("link down", extra={"reason": self._link})
        elif trouble is None and was not in ("connected", "connecting"):
            logger.info("link up")
        if self.was_greeted.is_set():
            return
        if isinstance(trouble, LockedError):
            raise OperatorError(
                Exit.LOCKED,
                f"This agent is locked: {str(trouble).rstrip('.')}.",
                f"An admin of team {self._identity.team} can unlock {self._identity.name}; then start it again.",
            )
        if isinstance(trouble, RefusedError):
            raise OperatorError(
                Exit.REFUSED, f"The API refuses this agent: {trouble}.", _cure(trouble, self._identity.api_url)
            )
        if self._once and isinstance(trouble, UnavailableError) and trouble.trouble is not Trouble.BUSY:
            raise OperatorError(
                Exit.UNREACHABLE,
                f"The API at {self._identity.api_url} can't be used: {trouble}.",
                "Check that it runs and that this machine reaches it.",
            )

    def policy_changed(self) -> None:
        """The API shall hear of it: what this agent refuses may be different now."""
        self._hello_is_due.set()

    def lock_is_news(self) -> bool:
        """Say, once per lock, that this agent was told it is locked: renewing shows whether it may finish."""
        is_news, self._lock_is_news = self._lock_is_news, False
        return is_news

    def stop_everything(self, reason: str) -> None:
        """Stop all attempts: the API has given their work to others. What they wrote stays on disk."""
        for held in self._roster.held:
            held.order_stop(StopOrder(kind="cancelled", reason=reason))

    def snapshot(self) -> Status:
        """Return what ``edge-agent status`` shows."""
        who = self._identity
        return Status(
            running=True,
            version=self._version,
            state_dir=str(self._settings.state_dir),
            pid=os.getpid(),
            agent=who.client_id,
            name=who.name,
            site=who.site,
            team=who.team,
            api_url=who.api_url,
            link=self._link,
            slots=self._roster.slots,
            paused_because=self._roster.paused_because,
            policy=self._gate.in_words(now=utc_now()),
            attempts=[_attempt_status(held) for held in self._roster.held],
        )


def _discard(held: Held) -> None:
    if held.outcome_is_in:
        return  # Only the rest of its log is on its way.
    held.is_unwanted = True
    if held.phase is not Phase.DELIVERING:
        held.order_stop(StopOrder(kind="lease_expired", reason="the API has no use for this attempt any more"))


def _words(trouble: LinkError) -> str:
    return f"locked: {trouble}" if isinstance(trouble, LockedError) else str(trouble)


def _cure(refused: RefusedError, api_url: str) -> str:
    if refused.code == "version_unsupported":
        return "Install a version of the agent that this API supports."
    if refused.code in ("invalid_client", "unauthorized_client"):
        return f"{api_url} does not know it: was the API set up anew? Then enrol again with an empty state directory."
    return "The API's log says more under the same time."


def _attempt_status(held: Held) -> AttemptStatus:
    return AttemptStatus(
        attempt=held.attempt,
        task=held.title,
        phase=Phase.DELIVERING.value if held.has_ended.is_set() else held.phase.value,
        progress=held.progress,
        note=held.note,
        trouble=held.trouble,
    )
