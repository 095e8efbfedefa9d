"""Where the agent stands: what the API told it, how the link is, and what ``status`` shows of it all."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable

from leasehold_agent.api_orders import ApiOrders
from leasehold_agent.attempts.gate import Gate
from leasehold_agent.attempts.roster import Held, Phase, Roster, StopOrder
from leasehold_agent.attempts.supervisor import Supervisor
from leasehold_agent.clock import ServerClock, boottime, utc_now
from leasehold_agent.errors import LinkError, LockedError, RefusedError, Trouble, UnavailableError
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.fault_points import reach
from leasehold_agent.health.link import LinkHistory
from leasehold_agent.health.reasons import Name
from leasehold_agent.health.vitals import Vitals
from leasehold_agent.identity.record import Identity
from leasehold_agent.link.greeting import compose_hello, host_facts
from leasehold_agent.link.health import compose_health
from leasehold_agent.offered import Offered
from leasehold_agent.settings_in_force import SettingsInForce
from leasehold_agent.status import AttemptStatus, Status, disk_status, reason_status
from leasehold_protocol.v1.agents import AttemptVerdict, Hello, HelloAnswer
from leasehold_protocol.v1.health import AgentHealth
from leasehold_protocol.v1.leases import Control, Lease, LeaseAnswer, OutcomeAnswer, RenewalAnswer

LATEST_LEASE_S = 12.0
"""Longer on the way, an answer brings no leases: after 15 s the API takes one that no renewal names for lost."""
logger = logging.getLogger(__name__)


class Standing:
    """Takes what the API answers, passes it on to who it concerns, and remembers what there is to say."""

    def __init__(
        self,
        settings: SettingsInForce,
        identity: Identity,
        roster: Roster,
        gate: Gate,
        orders: ApiOrders,
        clock: ServerClock,
        offered: Offered,
        *,
        version: str,
        once: bool,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._roster = roster
        self._gate = gate
        self._orders = orders
        self._clock = clock
        self._offered = offered
        self._version = version
        self._once = once
        self._host = host_facts()
        self._supervisor: Supervisor | None = None
        self.greet_soon: Callable[[], None] = lambda: None
        """Says hello at once: the API shall hear of something that is said there."""
        self._link = "connecting"
        self._is_push: Callable[[], bool] = lambda: False
        self._history = LinkHistory()
        self._vitals: Callable[[], Vitals | None] = lambda: None
        self.started_at = time.time()
        self.last_contact: float | None = None
        """When the API last answered the agent's poll, in seconds since 1970."""
        self.poll_wait_s = 50.0
        self.renew_every_s = 20.0
        self.log_every_s = 1.0
        self.rotate_key_every_s = 30 * 86400.0
        self.is_locked = False
        self._lock_is_news = False
        self.was_greeted = asyncio.Event()
        self.took_a_lease = asyncio.Event()

    def connect(
        self,
        *,
        supervisor: Supervisor,
        greet_soon: Callable[[], None],
        is_push: Callable[[], bool],
        history: LinkHistory,
        vitals: Callable[[], Vitals | None],
    ) -> None:
        """Take the parts that need this one to be built first."""
        self._supervisor = supervisor
        self.greet_soon = greet_soon
        self._is_push = is_push
        self._history = history
        self._vitals = vitals

    @property
    def is_polling(self) -> bool:
        """Leases or orders would come at once: the link waits for them, and the API answers."""
        return self.is_connected and (self._roster.free > 0 or self._orders.are_heard)

    @property
    def is_connected(self) -> bool:
        """The API answered the last request of the pull loop."""
        return self._link == "connected"

    @property
    def link(self) -> str:
        """``connected``, ``connecting``, or why not."""
        return self._link

    def health(self) -> AgentHealth:
        """Return what the API is told of the agent's health."""
        return compose_health(self._roster.reasons, self._vitals())

    def hello(self) -> Hello:
        """Return the greeting as of now."""
        return compose_hello(
            self._roster.on_disk(),
            version=self._version,
            slots=1 if self._once else self._gate.most_slots(self._settings.now.slots),
            labels=self._settings.now.labels,
            runtimes=self._offered.runtimes,
            pythons=self._offered.pythons,
            host=self._host,
            paused_because=self._roster.paused_because,
            health=self.health(),
            policy=self._gate.facts(now=utc_now()),
            asked_at=self._clock.utc(),
        )

    def greeted(self, said: Hello, answer: HelloAnswer) -> None:
        """Take the answer to the greeting that was sent."""
        self._gate.greeted(said.policy)
        if (said.runtimes, said.pythons) != (self._offered.runtimes, self._offered.pythons):
            self.greet_soon()  # it was found out while the greeting was on its way
        self.poll_wait_s = answer.intervals.poll_wait_s
        self.renew_every_s = answer.intervals.renew_every_s
        self.log_every_s = answer.intervals.log_every_s
        self.rotate_key_every_s = answer.intervals.rotate_key_every_s
        self._roster.set_ceiling(answer.slots)
        for instruction in answer.attempts:
            if instruction.verdict is not AttemptVerdict.DISCARD:
                continue
            if (held := self._roster.get(instruction.attempt)) is not None:
                _discard(held)
            else:
                self._roster.unwanted.add(instruction.attempt)
        if not self.was_greeted.is_set():
            facts = {"agent": answer.agent, "site": answer.site, "slots": self._roster.slots, "api": answer.api_version}
            logger.info("connected", extra=facts)
        self.was_greeted.set()
        self._orders.take(answer.orders)
        self.obey(answer.control)

    def heard(self, answer: LeaseAnswer | RenewalAnswer) -> None:
        """Take control events and orders; leases, or what became of them, went elsewhere."""
        if self._orders.take(answer.orders):
            self.greet_soon()
        self.obey(answer.control)

    def leased(self, answer: LeaseAnswer, asked_at: float) -> None:
        """Take leases and control events."""
        self._take(answer.leases, asked_at, answer.waited_s)
        self.heard(answer)

    def outcomes_answered(self, answer: OutcomeAnswer, asked_at: float) -> None:
        """Take the leases that came with the answer to outcomes."""
        self._take(answer.leases, asked_at, answer.waited_s)
        self.obey(answer.control)

    def _take(self, leases: list[Lease], asked_at: float, waited_s: float | None) -> None:
        if self._supervisor is None:
            raise AssertionError("connect() comes before the first lease")
        if leases and waited_s is not None and boottime() - asked_at - waited_s > LATEST_LEASE_S:
            # The API may have taken them for lost by now, and given them to others.
            logger.warning("leases came too late", extra={"leases": len(leases)})
            self.greet_soon()
            return
        if leases:
            reach("agent.leases.answered.before-directory")
        for lease in leases:
            self._supervisor.take(lease, asked_at)
            self._roster.tally.leases += 1
            self.took_a_lease.set()
            if self._once:
                self._roster.pause(Name.ONCE, "only one lease was asked for (--once)")

    def obey(self, control: list[Control]) -> None:
        """Do what the API wants."""
        for event in control:
            match event.kind:
                case "cancel":
                    held = self._roster.get(event.attempt or "")
                    if held is not None:
                        held.order_stop(StopOrder(kind="cancelled", reason=event.reason or "cancelled"))
                case "drain":
                    self._roster.pause(Name.API_PAUSE, f"paused by the API: {event.reason or 'no reason given'}")
                case "resume":
                    self._roster.resume(Name.API_PAUSE)
                case "hello":
                    self.greet_soon()

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
        if trouble is None:
            self.last_contact = time.time()
        elif was == "connected":
            self._history.broke(time.monotonic())
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
            state_dir=str(self._settings.now.state_dir),
            pid=os.getpid(),
            agent=who.client_id,
            name=who.name,
            site=who.site,
            team=who.team,
            api_url=who.api_url,
            link=self._link,
            way="push" if self._is_push() else "pull",
            slots=self._roster.slots,
            paused_because=self._roster.paused_because,
            reasons=[reason_status(reason) for reason in self._roster.reasons],
            disk=disk_status(self._vitals(), low_water_mb=self._settings.now.disk_low_water_mb),
            policy=self._gate.in_words(now=utc_now()),
            containers=self._offered.engine,
            pythons=self._offered.pythons or [],
            packs=self._offered.packs,
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
