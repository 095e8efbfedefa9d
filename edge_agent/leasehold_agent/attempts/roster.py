"""Everything the agent has on its hands: the attempts it holds, its slots, and whether it takes more."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from enum import StrEnum

from leasehold_agent.attempts.directory import AttemptDirectory
from leasehold_agent.health.reasons import Name, Reason, Reasons
from leasehold_agent.health.tally import Tally
from leasehold_agent.identity.access import CachedToken
from leasehold_protocol.v1.agents import AttemptOnDisk, AttemptState
from leasehold_protocol.v1.leases import Ending

Document = dict[str, object]
Answers = dict[str, Document]


class Phase(StrEnum):
    """Where an attempt is on its way through the agent."""

    STARTING = "starting"
    RUNNING = "running"
    DELIVERING = "delivering"
    """It ended; its slot is free; something of it is not acknowledged yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopOrder:
    """Why an attempt must stop. The host gets it again with every new connection, until the attempt has ended."""

    kind: str
    """``cancelled``, ``lease_expired`` or ``refused``: the kind of the ending."""
    reason: str
    grace_s: float = 10.0


@dataclass(slots=True, kw_only=True, eq=False)
class Held:
    """One attempt on the agent's hands."""

    directory: AttemptDirectory
    phase: Phase
    length_s: float
    deadline: float
    """On ``CLOCK_BOOTTIME``; the host stops the attempt by itself when it passes."""
    task_token: CachedToken
    given: Answers = field(default_factory=dict[str, "Document"], repr=False)
    """What came with the lease: answers by path of the task protocol. In memory only, for it has secrets."""
    title: str = ""
    """``dag.task``, for people."""
    found: AttemptState | None = None
    """How it was found on disk when the agent started; none for what was leased since."""
    stop: StopOrder | None = None
    progress: float | None = None
    note: str | None = None
    label: str | None = None
    trouble: str | None = None
    """Why it could not be delivered yet, or did not start, for ``status``."""
    unwritten_ending: Ending | None = None
    """How it ended, when the agent has to say so and the disk did not take ``ending.json``."""
    is_unwanted: bool = False
    """The API has no use for it: it is stopped, and removed without being delivered."""
    outcome_is_in: bool = False
    """The API has the outcome: there is no lease left to renew."""
    log_durable: int = 0
    """How much of the log its host made durable; delivering more could deliver what a power cut takes back."""
    metrics_durable: int = 0
    state_durable: int = 0
    grew: asyncio.Event = field(default_factory=asyncio.Event)
    """Something was written that could be delivered."""
    has_ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Nothing more will be written."""
    ordered: asyncio.Event = field(default_factory=asyncio.Event)
    """A new deadline or a stop order waits for the host."""

    @property
    def attempt(self) -> str:
        """The attempt's id."""
        return self.directory.attempt

    def order_stop(self, order: StopOrder) -> None:
        """Stop it; the first order counts."""
        if self.stop is None:
            self.stop = order
            self.ordered.set()

    def renew(self, deadline: float) -> None:
        """Let it run until ``deadline``."""
        self.deadline = deadline
        self.ordered.set()


@dataclass(frozen=True, slots=True)
class Waiting:
    """An attempt that ended before this agent began, and has not had its turn to be delivered."""

    attempt: str
    state: AttemptState


class Roster:
    """The attempts held and the slots they take; behind them, by name only, the backlog of those that only wait."""

    def __init__(self, slots: int) -> None:
        self._wish = slots
        self._ceiling = slots
        self._limit: int | None = None
        self._held: dict[str, Held] = {}
        self._ordered: int | None = None
        self.backlog: deque[Waiting] = deque()
        """Oldest first."""
        self.unwanted: set[str] = set()
        """What of the backlog the API has no use for: it is removed when its turn comes."""
        self._on_the_way: dict[str, Waiting] = {}
        """What of the backlog is being delivered right now."""
        self._reserved = 0
        self._reasons = Reasons()
        self.tally = Tally()
        self._changed = asyncio.Event()

    @property
    def held(self) -> list[Held]:
        """Every attempt held, in the order in which they came."""
        return list(self._held.values())

    def on_disk(self) -> list[AttemptOnDisk]:
        """Return every attempt here, of the backlog the newest first: what the API must not take for lost."""
        held = [AttemptOnDisk(attempt=one.attempt, state=_state(one)) for one in self._held.values()]
        return held + [AttemptOnDisk(attempt=one.attempt, state=one.state) for one in reversed(self.waiting)]

    @property
    def waiting(self) -> list[Waiting]:
        """What ended before this agent began and is not acknowledged, under way or not; oldest first."""
        return [*self._on_the_way.copy().values(), *self.backlog.copy()]

    def take_waiting(self, most: int) -> list[Waiting]:
        """Take the oldest of the backlog to deliver them; they count as waiting until ``let_go``."""
        taken = [self.backlog.popleft() for _ in range(min(most, len(self.backlog)))]
        self._on_the_way |= {one.attempt: one for one in taken}
        return taken

    def let_go(self, taken: list[Waiting]) -> None:
        """What was taken is delivered, or held by now."""
        for one in taken:
            self._on_the_way.pop(one.attempt, None)
        self._notify()

    @property
    def names(self) -> set[str]:
        """The names of all of them. Threads may ask: what they walk along are copies."""
        return {*self._held.copy(), *(one.attempt for one in self.waiting)}

    def has_late_outcomes(self, now: float) -> bool:
        """Tell whether something here has ended, is not delivered, and its lease was over by ``now``."""
        return any(
            one.has_ended.is_set() and not one.outcome_is_in and one.deadline < now for one in self._held.values()
        )

    def get(self, attempt: str) -> Held | None:
        """Return an attempt that is held."""
        return self._held.get(attempt)

    def add(self, held: Held) -> None:
        """Take an attempt in."""
        self._held[held.attempt] = held
        self._notify()

    def remove(self, held: Held) -> None:
        """Let go of an attempt: nothing of it is left to do."""
        self._held.pop(held.attempt, None)
        self._notify()

    def move(self, held: Held, phase: Phase) -> None:
        """Note how far an attempt is."""
        held.phase = phase
        self._notify()

    def note_end(self, held: Held) -> None:
        """Note that an attempt has ended: nothing more will be written."""
        held.has_ended.set()
        self._notify()

    @property
    def slots(self) -> int:
        """How many attempts may run at once: the operator's wish, under what site, API and policy allow."""
        return min([self._wish, self._ceiling, *(most for most in (self._ordered, self._limit) if most is not None)])

    def set_wish(self, slots: int) -> None:
        """Take in what the site's operator set."""
        self._wish = slots
        self._notify()

    def set_order(self, slots: int | None) -> None:
        """Take in what was ordered through the API; none: nothing is."""
        if slots != self._ordered:
            self._ordered = slots
            self._notify()

    def set_ceiling(self, slots: int) -> None:
        """Take in what the API allows."""
        self._ceiling = slots
        self._notify()

    def set_limit(self, slots: int | None) -> None:
        """Take in what the site's policy allows; none: all that is wished."""
        if slots != self._limit:
            self._limit = slots
            self._notify()

    @property
    def running(self) -> int:
        """How many slots are taken."""
        return sum(held.phase is not Phase.DELIVERING for held in self._held.values())

    @property
    def free(self) -> int:
        """How many more leases may be asked for now."""
        return 0 if self._reasons.blocking else max(0, self.slots - self.running - self._reserved)

    @property
    def open_slots(self) -> int:
        """The free ones, promised to a request or not."""
        return 0 if self._reasons.blocking else max(0, self.slots - self.running)

    def stir(self) -> None:
        """Let everybody who waits for a change look again."""
        self._notify()

    def reserve(self) -> int:
        """Promise all free slots to one request, so that no other asks for them; returns how many."""
        taken = self.free
        self._reserved += taken
        return taken

    def release(self, slots: int) -> None:
        """End a promise: its request is over."""
        self._reserved -= slots
        self._notify()

    @property
    def paused_because(self) -> list[str]:
        """Why no new leases are taken; empty when they are."""
        return self._reasons.blocking

    @property
    def reasons(self) -> list[Reason]:
        """Everything that somebody should know of, what keeps new leases out among it."""
        return self._reasons.all

    def pause(self, name: Name, text: str) -> None:
        """Take no new leases while the reason called ``name`` holds."""
        if self._reasons.hold(name, text):
            self._notify()

    def note(self, name: Name, text: str) -> None:
        """Let a reason be known that keeps no leases out."""
        if self._reasons.hold(name, text, blocks=False):
            self._notify()

    def resume(self, name: Name) -> None:
        """The reason called ``name`` holds no more."""
        if self._reasons.clear(name):
            self._notify()

    def changed(self) -> Coroutine[object, object, object]:
        """Wait until anything here changes, counted from this call on."""
        return self._changed.wait()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _state(held: Held) -> AttemptState:
    if held.phase is Phase.DELIVERING:
        return AttemptState.LOST if held.found is AttemptState.LOST else AttemptState.ENDED
    return AttemptState.RUNNING
