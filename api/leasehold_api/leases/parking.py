"""Agents that wait for work: woken one by one, by what may be leased, never all at once."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(eq=False)
class Wake:
    """One task instance's way to who will take it."""

    placement: str
    in_vain: set[tuple[str, str | None]] = field(default_factory=set[tuple[str, str | None]])
    """Who looked and could take nothing of it, see ``Waiter.as_who``: they are not woken for it again."""


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
    weight: int = 10
    """Its site's share of the work, where agents of several sites wait for it."""
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def as_who(self) -> tuple[str, str | None]:
        """As whom it looked in vain: a policy refuses for all agents of the site that have it, else it was this one."""
        return (self.agent, None) if self.policy is None else (self.site, self.policy)

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


class Shares:
    """Whose turn it is, of sites that wait for the same work: each gets its share, by weight, in turns.

    Smooth weighted round robin: each site that may be chosen gains its weight, the one with the most is chosen, and
    pays what all gained. Sites of weight 0 are chosen when no other waits.
    """

    def __init__(self) -> None:
        self._credit: dict[str, float] = {}

    def choose(self, waiting: Iterable[Waiter]) -> Waiter | None:
        """Return who is woken, of those that wait, the longest first."""
        first: dict[str, Waiter] = {}
        for waiter in waiting:
            first.setdefault(waiter.site, waiter)
        if len(first) < 2:
            return next(iter(first.values()), None)
        heavy = {site: waiter for site, waiter in first.items() if waiter.weight > 0}
        if not heavy:
            return next(iter(first.values()))
        for site, waiter in heavy.items():
            self._credit[site] = self._credit.get(site, 0.0) + waiter.weight
        chosen = max(heavy, key=lambda site: self._credit[site])
        self._credit[chosen] -= sum(waiter.weight for waiter in heavy.values())
        return heavy[chosen]


class Parking:
    """Who waits, by what could wake them. Lives in the event loop's thread; holds no database connection."""

    def __init__(self) -> None:
        # Dictionaries as ordered sets: whoever waits longest is woken first.
        self._by_placement: defaultdict[str, dict[Waiter, None]] = defaultdict(dict)
        self._waiters: dict[Waiter, None] = {}
        self._called: set[str] = set()
        self._shares = Shares()
        self._weights: Counter[int] = Counter()
        self.closed = False

    @contextmanager
    def park(
        self,
        *,
        agent: str,
        site: str,
        placements: Iterable[str],
        capacity: int,
        policy: str | None = None,
        weight: int = 10,
    ) -> Generator[Waiter]:
        """Be woken from now on. Park first and look at the queue then: what comes in between is not missed."""
        waiter = Waiter(agent, site, frozenset(placements), capacity, policy, weight=weight)
        self._waiters[waiter] = None
        self._weights[weight] += 1
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
            self._weights[weight] -= 1
            if not self._weights[weight]:
                del self._weights[weight]
            self._leave_queues(waiter)

    def work_queued(self, placement: str) -> None:
        """Wake one agent that can run one more task instance of this placement."""
        self._wake_one(Wake(placement))

    def pass_on(self, wakes: Iterable[Wake]) -> None:
        """Wake others for what a waiter was woken for and did not take."""
        for wake in wakes:
            self._wake_one(wake)

    def looked_in_vain(self, waiter: Waiter) -> None:
        """Note that a waiter could take nothing of what it was woken for: somebody was faster, or it refuses all of it.

        Without this, two agents that can't take a task would wake each other for it for ever.
        """
        for wake in waiter.woken_for:
            wake.in_vain.add(waiter.as_who)

    def _wake_one(self, wake: Wake) -> None:
        queue = self._by_placement.get(wake.placement, {})
        able = (one for one in queue if one.as_who not in wake.in_vain)
        # Where all weigh the same, as mostly, whoever waits longest is found without looking at the others.
        waiter = next(able, None) if len(self._weights) < 2 else self._shares.choose(able)
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
