"""A request for leases that is given up: the API may have given some away by then, and hears that none arrived."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest

from leasehold_agent.attempts.roster import Roster
from leasehold_agent.clock import boottime, utc_now
from leasehold_agent.errors import LinkError
from leasehold_agent.health.reasons import Name
from leasehold_agent.link import greetings
from leasehold_agent.link.choice import Choice, Wish
from leasehold_agent.link.greeting import compose_hello, host_facts
from leasehold_agent.link.greetings import Greetings
from leasehold_agent.link.link import Link
from leasehold_agent.link.pull import Pull
from leasehold_agent.link.push import Push
from leasehold_protocol.v1.agents import Hello, HelloAnswer
from leasehold_protocol.v1.grants import StreamGrant, StreamRequest
from leasehold_protocol.v1.health import AgentHealth
from leasehold_protocol.v1.leases import LeaseAnswer, LeaseRequest
from leasehold_protocol.v1.stream import StreamLine


class SilentApi:
    """Answers greetings, and has no work."""

    def __init__(self) -> None:
        self.greetings: asyncio.Queue[Hello] = asyncio.Queue()
        self.is_asked = asyncio.Event()

    async def hello(self, hello: Hello) -> HelloAnswer:
        self.greetings.put_nowait(hello)
        return HelloAnswer(
            agent="agt_1",
            agent_name="north-1",
            site="north",
            team="default",
            protocol=1,
            api_version="1",
            slots=4,
            labels={},
        )

    async def lease(self, request: LeaseRequest) -> LeaseAnswer:
        self.is_asked.set()
        await asyncio.sleep(request.wait_s)
        return LeaseAnswer()

    async def stream(self, request: StreamRequest) -> AsyncGenerator[StreamLine, None]:
        yield StreamLine(kind="opened", keepalive_s=50, granted=request.free_slots)
        self.is_asked.set()
        await asyncio.Event().wait()

    async def grant(self, grant: StreamGrant) -> None: ...
    async def is_there(self) -> bool:
        return True


class Owner:
    """Says hello, and takes answers."""

    poll_wait_s = 50.0

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    def hello(self) -> Hello:
        return compose_hello(
            [],
            version="1",
            slots=1,
            labels={},
            runtimes=["python", "program"],
            pythons=[],
            host=host_facts(),
            paused_because=self._roster.paused_because,
            health=AgentHealth(),
            policy=None,
            asked_at=utc_now(),
        )

    def greeted(self, said: Hello, answer: HelloAnswer) -> None: ...
    def leased(self, answer: LeaseAnswer, asked_at: float) -> None: ...
    def link_is(self, trouble: LinkError | None) -> None: ...


def link_of(api: SilentApi, roster: Roster, way: Wish) -> Link:
    """Return a link that takes leases in one way."""
    owner, said = Owner(roster), Greetings(roster, boottime)
    pull = Pull(api, owner, roster, said)
    choice = Choice(way, pull, lambda passage: Push(api, owner, roster, said, passage), roster)
    return Link(api, owner, roster, said, choice)


@pytest.mark.parametrize("way", ["pull", "push"])
@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(lambda _link, roster: roster.pause(Name.OPERATOR, "paused"), id="a pause"),
        pytest.param(lambda link, _roster: link.greet_soon(), id="something to say in hello"),
    ],
)
async def test_hello_is_said_at_once_and_again_when_all_has_settled(
    cut: Callable[[Link, Roster], None], way: Wish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greetings, "SETTLED_AFTER_S", 0.01)
    api, roster = SilentApi(), Roster(1)
    loop = link_of(api, roster, way)
    running = asyncio.ensure_future(loop.run())
    async with asyncio.timeout(10):
        await api.greetings.get()
        await api.is_asked.wait()

        cut(loop, roster)

        at_once, settled = await api.greetings.get(), await api.greetings.get()
    assert at_once.paused_because == settled.paused_because == roster.paused_because
    running.cancel()
