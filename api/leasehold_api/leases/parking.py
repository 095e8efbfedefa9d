"""Agents that wait for work: woken one by one, by what may be leased, never all at once."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(eq=False)
class Wake:
    """One task instance's way to who will take it."""

    placement: str
    in_vain: set[tuple[str, str | None]] = field(default_factory=set[tuple[str, str | None]])
    """(site, policy) of agents that looked and may take nothing of it: others with the same policy are not woken."""


@dataclass(eq=False)
class Waiter:
    """One parked request."""

    agent: str
    site: str
    placements: frozenset[str]
    capacity: int
    """How many more task instances this agent could take: each wake-up for one uses one up."""
    policy: str | None = None
    """The fingerprint of the policy by which its site refuses work."""
    woken_for: list[Wake] = field(default_factory=list[Wake])
    """What it was woken for, once per task instance."""
    called: bool = False
    """There is something to tell this agent, whatever is queued."""
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """End the wait."""
        self._wake.set()

    async def wait(self, timeout_s: float) -> bool:
        """Wait until woken; return whether that was within the time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return False
        self._wake.clear()
        return True


class Parking:
    """Who waits, by what could wake them. Lives in the event loop's thread; holds no database connection."""

    def __init__(self) -> None:
        # Dictionaries as ordered sets: whoever waits longest is woken first.
        self._by_placement: defaultdict[str, dict[Waiter, None]] = defaultdict(dict)
        self._waiters: dict[Waiter, None] = {}
        self._called: set[str] = set()
        self.closed = False

    @contextmanager
    def park(
        self, *, agent: str, site: str, placements: Iterable[str], capacity: int, policy: str | None = None
    ) -> Generator[Waiter]:
        """Be woken from now on. Park first and look at the queue then: what comes in between is not missed."""
        waiter = Waiter(agent, site, frozenset(placements), capacity, policy)
        self._waiters[waiter] = None
        for placement in waiter.placements:
            self._by_placement[placement][waiter] = None
        if agent in self._called or self.closed:
            self._called.discard(agent)
            waiter.called = True
            waiter.wake()
        try:
            yield waiter
        finally:
            self._waiters.pop(waiter, None)
            self._leave_queues(waiter)

    def work_queued(self, placement: str) -> None:
        """Wake one agent that can run one more task instance of this placement."""
        self._wake_one(Wake(placement))

    def pass_on(self, wakes: Iterable[Wake]) -> None:
        """Wake others for what a waiter was woken for and did not take."""
        for wake in wakes:
            self._wake_one(wake)

    def looked_in_vain(self, waiter: Waiter) -> None:
        """Note that a waiter with a policy could take nothing of what it was woken for: it may refuse all of it.

        Without this, two sites that refuse a task would wake each other for it for ever.
        """
        if waiter.policy is not None:
            for wake in waiter.woken_for:
                wake.in_vain.add((waiter.site, waiter.policy))

    def _wake_one(self, wake: Wake) -> None:
        queue = self._by_placement.get(wake.placement, {})
        waiter = next((one for one in queue if (one.site, one.policy) not in wake.in_vain), None)
        if waiter is None:
            return
        waiter.capacity -= 1
        waiter.woken_for.append(wake)
        if waiter.capacity <= 0:
            self._leave_queues(waiter)
        waiter.wake()

    def site_changed(self, site: str) -> None:
        """Wake the agents of a site whose placements changed: they must look again."""
        for waiter in [waiter for waiter in self._waiters if waiter.site == site]:
            waiter.wake()

    def agent_called(self, agent: str) -> None:
        """Wake an agent that there is something to tell; when it is not here, remember for its next request."""
        here = [waiter for waiter in self._waiters if waiter.agent == agent]
        if not here:
            self._called.add(agent)
        for waiter in here:
            waiter.called = True
            waiter.wake()

    def close(self) -> None:
        """Answer everyone who waits, now and from now on: the service is stopping."""
        self.closed = True
        for waiter in list(self._waiters):
            waiter.wake()

    def __len__(self) -> int:
        return len(self._waiters)

    def _leave_queues(self, waiter: Waiter) -> None:
        for placement in waiter.placements:
            queue = self._by_placement.get(placement)
            if queue is not None:
                queue.pop(waiter, None)
                if not queue:
                    del self._by_placement[placement]
