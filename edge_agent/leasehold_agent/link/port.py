"""What the link needs of others, and what every way of taking leases promises: pull and push."""

from __future__ import annotations

from typing import Protocol

from leasehold_agent.errors import LinkError
from leasehold_protocol.v1.agents import Hello, HelloAnswer
from leasehold_protocol.v1.grants import StreamGrant
from leasehold_protocol.v1.leases import LeaseAnswer, OutcomeBatch


class GreetingApi(Protocol):
    """What is needed of ``link.api.Api`` to greet."""

    async def hello(self, hello: Hello) -> HelloAnswer: ...


class LinkOwner(Protocol):
    """Who runs the link: composes the greeting, and takes what the API answers."""

    poll_wait_s: float

    def hello(self) -> Hello:
        """Return the greeting as of now."""
        ...

    def greeted(self, said: Hello, answer: HelloAnswer) -> None:
        """Take the answer to the greeting that was sent."""
        ...

    def leased(self, answer: LeaseAnswer, asked_at: float) -> None:
        """Take leases and control events."""
        ...

    def link_is(self, trouble: LinkError | None) -> None:
        """Take how the last request went."""
        ...


class Way(Protocol):
    """One way in which leases come. What all of them promise is ``tests/edge_agent/contracts/ways.py``.

    A way takes leases only while no hello is due, and never more than there are free slots. It returns as soon as a
    hello is due, with nothing of its own on the wire any more; whatever may have been lost on it by then was told to
    ``Greetings.answer_was_lost``.
    """

    async def take(self) -> None:
        """Take leases as they come; return when there is something else to do.

        Raises:
            LinkError: the line or the API is in the way.
        """
        ...

    def offer(self, batch: OutcomeBatch) -> OutcomeBatch:
        """Return a batch of outcomes with what it says of free slots: leases may come with its answer, or another way.

        The batch brings along how many are free by the roster.
        """
        ...

    def offer_failed(self, batch: OutcomeBatch) -> None:
        """Nobody knows whether the API heard what ``offer`` said."""
        ...

    def grant(self) -> StreamGrant | None:
        """Return what a renewal says of an open stream; none where there is none."""
        ...
