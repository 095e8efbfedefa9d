"""What a store gives and takes when leases change hands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from leasehold_api.callers import AgentCaller
from leasehold_protocol.v1.agents import AttemptInstruction, AttemptOnDisk
from leasehold_protocol.v1.leases import HeldLease, Input, Outcome, OutcomeAck, Renewal, RunFacts, attempt_id
from leasehold_protocol.v1.manifest import TaskEntry
from leasehold_protocol.v1.mapping import ItemPart
from leasehold_protocol.v1.signing import SignedTask
from leasehold_protocol.v1.waiting import Earlier


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """One task instance, just leased."""

    task_instance: str
    epoch: int
    map_index: int
    try_number: int
    length_s: float
    run: RunFacts
    entry: TaskEntry
    bundle: str | None
    signed: SignedTask | None = None
    inputs: list[Input] = field(default_factory=list[Input])
    item: list[ItemPart] | None = None
    """Of a mapped task: which item of each of its sources."""
    earlier: Earlier = field(default_factory=Earlier)
    downstream: list[str] = field(default_factory=list[str])
    is_trusted: bool = False
    """Its site is trusted: what the task declared goes along."""
    inactive_assets: str | None = None
    """Why it must not start."""

    @property
    def attempt(self) -> str:
        """The id of the attempt that this lease is for."""
        return attempt_id(self.task_instance, self.epoch)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewedLease:
    """The store's word on one lease, and what a new task token must say."""

    renewal: Renewal
    claimed: Claimed | None = None


class LeaseStore(Protocol):
    """Who runs what. Every method is one transaction; ``now`` is seconds since 1970.

    What all implementations promise is ``tests/api/contracts/lease_store.py``.
    """

    async def claim(self, holder: AgentCaller, *, most: int, now: float) -> list[Claimed]:
        """Lease up to ``most`` queued task instances that the holder's site may run: by priority, then age."""
        ...

    async def renew(
        self,
        holder: AgentCaller,
        held: list[HeldLease],
        *,
        now: float,
        asked_at: float | None = None,
        names_all: bool = True,
    ) -> list[RenewedLease]:
        """Extend every lease the holder still has; say of each what became of it. ``asked_at`` is when it was asked.

        Leases of this holder that it does not name, and should know by now, never reached it: they are queued again,
        unless it says that it has more than it names.
        """
        ...

    async def complete(self, holder: AgentCaller, outcomes: list[Outcome], *, now: float) -> list[OutcomeAck]:
        """Record how attempts ended: each takes effect, stores results and queues successors at once, or not at all."""
        ...

    async def resume(
        self,
        holder: AgentCaller,
        on_disk: list[AttemptOnDisk],
        *,
        now: float,
        asked_at: float | None = None,
        names_all: bool = True,
    ) -> list[AttemptInstruction]:
        """Say what a returning agent shall do with the attempts it has; queue again, at once, what it has lost.

        Nothing else of the agent's is under way when it says hello, so with ``asked_at`` only leases given since, or in
        the moment before (clocks differ), may be unknown to it and live.
        """
        ...

    async def cancellations(self, agent_id: str) -> list[tuple[str, str]]:
        """Return (attempt, reason) of what this agent runs and somebody wants cancelled."""
        ...

    async def expire(self, *, now: float) -> int:
        """End every lease whose time is over, as if its agent had lost it; return how many."""
        ...

    async def queue_due(self, *, now: float) -> int:
        """Queue every retry and reschedule that is due, and what waited until now; return how many.

        What was queued for longer than its ``queue_timeout`` fails, and is counted too.
        """
        ...

    async def next_deadline(self) -> float | None:
        """Return when ``expire`` or ``queue_due`` next has something to do."""
        ...
