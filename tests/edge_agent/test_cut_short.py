"""A request for leases that is given up: the API may have given some away by then, and hears that none arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from leasehold_agent.attempts.roster import Roster
from leasehold_agent.clock import utc_now
from leasehold_agent.errors import LinkError
from leasehold_agent.health.reasons import Name
from leasehold_agent.link import pull
from leasehold_agent.link.greeting import compose_hello, host_facts
from leasehold_agent.link.pull import Pull
from leasehold_protocol.v1.agents import Hello, HelloAnswer
from leasehold_protocol.v1.health import AgentHealth
from leasehold_protocol.v1.leases import LeaseAnswer, LeaseRequest


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
            host=host_facts(),
            paused_because=self._roster.paused_because,
            health=AgentHealth(),
            policy=None,
            asked_at=utc_now(),
        )

    def greeted(self, said: Hello, answer: HelloAnswer) -> None: ...
    def leased(self, answer: LeaseAnswer, asked_at: float) -> None: ...
    def link_is(self, trouble: LinkError | None) -> None: ...


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(lambda _pull, roster: roster.pause(Name.OPERATOR, "paused"), id="a pause"),
        pytest.param(lambda pull_, _roster: pull_.greet_soon(), id="something to say in hello"),
    ],
)
async def test_hello_is_said_at_once_and_again_when_all_has_settled(
    cut: Callable[[Pull, Roster], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "SETTLED_AFTER_S", 0.01)
    api, roster = SilentApi(), Roster(1)
    loop = Pull(api, Owner(roster), roster)
    running = asyncio.ensure_future(loop.run())
    async with asyncio.timeout(10):
        await api.greetings.get()
        await api.is_asked.wait()

        cut(loop, roster)

        at_once, settled = await api.greetings.get(), await api.greetings.get()
    assert at_once.paused_because == settled.paused_because == roster.paused_because
    running.cancel()
