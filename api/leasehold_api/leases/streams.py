"""Open streams of agents: how many leases may be sent on each, for how long it may stay open, and when it ends.

Grants may arrive at any API process, the stream is at one: they travel as signals, and one that is lost is said again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from leasehold_api.signals import Signal, Topic
from leasehold_protocol.v1.grants import StreamGrant


@dataclass(eq=False, slots=True, kw_only=True)
class Stream:
    """One open stream."""

    agent: str
    number: int
    """Rising: a later stream of the same agent ends this one."""
    granted: int
    """How many leases may be sent on it in all."""
    good_until: float
    """When the newest access token that was shown for it expires."""
    sent: int = 0
    has_ended: bool = False
    _grant: int = 0
    _wake: Callable[[], None] = field(default=lambda: None, repr=False)

    @property
    def left(self) -> int:
        """How many leases may be sent now."""
        return max(0, self.granted - self.sent)

    def take(self, grant: StreamGrant, *, good_until: float) -> None:
        """Take a grant; an older one than the last changes only how long the stream may stay open."""
        self.good_until = max(self.good_until, good_until)
        if grant.number > self._grant:
            self._grant = grant.number
            self.granted = grant.granted
            self._wake()

    def end(self) -> None:
        """Send no more leases on it, and end it."""
        self.has_ended = True
        self._wake()

    @contextmanager
    def waking(self, wake: Callable[[], None]) -> Generator[None]:
        """Call ``wake`` whenever something about the stream changes."""
        self._wake = wake
        try:
            yield
        finally:
            self._wake = _nobody


class Streams:
    """The streams that this process has open."""

    def __init__(self, announce: Callable[[list[Signal]], None]) -> None:
        self._announce = announce
        self._open: dict[str, Stream] = {}

    @contextmanager
    def opened(self, agent: str, number: int, *, free_slots: int, good_until: float) -> Generator[Stream]:
        """Hold a stream open; streams that the agent opened before, here or elsewhere, end."""
        stream = Stream(agent=agent, number=number, granted=free_slots, good_until=good_until)
        self.end_older(agent, number)
        self._announce([Signal(Topic.STREAM, f"{agent} {number}")])
        self._open[agent] = stream
        try:
            yield stream
        finally:
            stream.has_ended = True
            if self._open.get(agent) is stream:
                del self._open[agent]

    def grant(self, agent: str, grant: StreamGrant, *, good_until: float) -> None:
        """Take a grant, whichever process has the stream."""
        stream = self._open.get(agent)
        if stream is not None and stream.number == grant.stream:
            stream.take(grant, good_until=good_until)
        else:
            key = f"{agent} {grant.stream} {grant.number} {grant.granted} {good_until:.0f}"
            self._announce([Signal(Topic.STREAM, key)])

    def heard(self, key: str) -> None:
        """Take a signal: a stream was opened somewhere, or granted something."""
        agent, number, *rest = key.split(" ")
        if not rest:
            self.end_older(agent, int(number))
        elif (stream := self._open.get(agent)) is not None and stream.number == int(number):
            grant = StreamGrant(stream=int(number), number=int(rest[0]), granted=int(rest[1]))
            stream.take(grant, good_until=float(rest[2]))

    def end_older(self, agent: str, number: int) -> None:
        """End the stream of an agent that has another one by now."""
        stream = self._open.get(agent)
        if stream is not None and stream.number < number:
            stream.end()

    def end(self, agent: str) -> None:
        """End the agent's stream: it says hello, so it reads none."""
        if (stream := self._open.get(agent)) is not None:
            stream.end()


def _nobody() -> None:
    """Nobody waits at the moment."""
