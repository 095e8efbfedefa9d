"""Pull and push keep the promise of the port; a stream counts its credits, and gives way where it gets not through."""

from __future__ import annotations

import asyncio

import pytest

from leasehold_agent.attempts.roster import Roster
from leasehold_agent.errors import RefusedError, UnavailableError
from leasehold_agent.health.reasons import Name
from leasehold_agent.link import push
from leasehold_agent.link.choice import Choice, Wish
from leasehold_agent.link.credits import Credits
from leasehold_agent.link.lines import lines_of
from leasehold_agent.link.passage import AGAIN_AFTER_S, MOST_BREAKS, Passage
from leasehold_agent.link.port import Way
from leasehold_agent.link.pull import Pull
from leasehold_agent.link.push import Push
from leasehold_protocol.v1.agents import HelloAnswer
from leasehold_protocol.v1.leases import Lease, OutcomeBatch
from leasehold_protocol.v1.stream import StreamLine
from tests.edge_agent.contracts.ways import SLOTS, WayContract
from tests.edge_agent.model_api import shell_lease

LEASE: Lease = shell_lease("ti_a.1", "true")


class TestPull(WayContract):
    def make(self) -> Way:
        return Pull(self.api, self.owner, self.roster, self.greetings)


class TestPush(WayContract):
    def make(self) -> Way:
        self.passage = Passage()
        return Push(self.api, self.owner, self.roster, self.greetings, self.passage)

    async def test_slots_that_become_free_are_granted_with_outcomes_alone(self) -> None:
        taking = asyncio.ensure_future(self.keep_taking())
        self.api.offer("ti_a.1", "ti_b.1")
        await self.held("ti_a.1", "ti_b.1")

        self.roster.remove(self.roster.held[0])
        batch = self.way.offer(OutcomeBatch(outcomes=[], free_slots=1))
        await asyncio.sleep(0)

        assert batch.free_slots == 0
        assert batch.grant is not None
        assert batch.grant.granted == SLOTS + 1
        assert self.api.grants == [], "no request of its own"
        taking.cancel()

    async def test_a_grant_that_may_be_lost_is_said_again(self) -> None:
        taking = asyncio.ensure_future(self.keep_taking())
        await self.api.is_asked.wait()

        self.way.offer_failed(self.way.offer(OutcomeBatch(outcomes=[])))

        async with asyncio.timeout(10):
            await self.api.is_granted.wait()
        assert self.api.grants[0].granted == SLOTS
        taking.cancel()

    async def test_a_stream_whose_first_line_does_not_come_is_held_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(push, "FIRST_LINE_S", 0.01)
        self.api.first_line.clear()

        with pytest.raises(UnavailableError):
            await self.way.take()

        assert self.passage.why is not None
        assert "holds answers back" in self.passage.why

    async def test_an_api_without_streams_is_pulled_from(self) -> None:
        self.api.error = RefusedError(404, "not_found")
        self.api.breaks.set()
        self.api.first_line.set()

        await self.way.take()

        assert self.passage.why is not None
        assert "does not know streams" in self.passage.why


def test_credits_are_counted_from_the_beginning_of_the_stream() -> None:
    counted = Credits(7, free_slots=2)
    assert not counted.is_news(2)

    counted.heard(StreamLine(kind="news", leases=[LEASE], granted=2))
    assert not counted.is_news(1), "the lease took its slot"
    assert counted.is_news(2), "and gave it back"
    grant = counted.grant(2)

    assert (grant.stream, grant.number, grant.granted) == (7, 1, 3)
    assert not counted.is_news(2)
    counted.heard(StreamLine(kind="keepalive", granted=2))
    assert counted.is_news(2), "the keep-alive names an older grant: the newest was lost"


def test_a_stream_is_tried_again_after_a_while_and_proves_itself_by_a_keep_alive() -> None:
    passage = Passage()
    for now in range(MOST_BREAKS):
        assert passage.is_open(float(now))
        passage.broke(float(now))

    assert not passage.is_open(MOST_BREAKS)
    assert passage.why is not None
    assert passage.is_open(MOST_BREAKS + AGAIN_AFTER_S)
    passage.kept_alive()
    assert passage.why is None


@pytest.mark.parametrize(
    ("wish", "trusted", "is_push"),
    [("auto", False, False), ("auto", True, True), ("pull", True, False), ("push", False, True)],
)
def test_auto_means_push_where_the_site_is_trusted(wish: Wish, trusted: bool, is_push: bool) -> None:
    choice, _ = choice_of(wish)

    choice.greeted(answer(trusted=trusted))
    choice.way(is_settled=True)

    assert choice.is_push is is_push


def test_where_streams_are_held_back_leases_are_pulled_and_it_is_said_until_one_gets_through() -> None:
    choice, passages = choice_of("push")
    choice.way(is_settled=True)

    passages[0].held_back(10, now=0.0)
    choice.way(is_settled=True)

    assert not choice.is_push
    assert [(reason.name, reason.blocks) for reason in choice._roster.reasons] == [(Name.STREAM, False)]
    passages[0].kept_alive()
    choice.way(is_settled=True)
    assert choice._roster.reasons == []


def choice_of(wish: Wish) -> tuple[Choice, list[Passage]]:
    passages: list[Passage] = []

    def make_push(passage: Passage) -> Way:
        passages.append(passage)
        return Waiting()

    return Choice(wish, Waiting(), make_push, Roster(1), clock=lambda: 1.0), passages


class Waiting:
    """A way that is never taken."""

    async def take(self) -> None: ...
    def offer(self, batch: OutcomeBatch) -> OutcomeBatch:
        return batch

    def offer_failed(self, batch: OutcomeBatch) -> None: ...
    def grant(self) -> None: ...


def answer(*, trusted: bool) -> HelloAnswer:
    return HelloAnswer(
        agent="agt_1",
        agent_name="north-1",
        site="north",
        team="default",
        protocol=1,
        api_version="1",
        slots=4,
        labels={},
        trusted=trusted,
    )


async def test_lines_are_whole_however_the_bytes_arrive() -> None:
    async def chunks() -> object:
        for chunk in (b'{"a"', b":1}\n\n{}\n{", b"}\nlost"):
            yield chunk

    assert [line async for line in lines_of(chunks(), longest=100)] == [b'{"a":1}', b"{}", b"{}"]


async def test_a_line_without_an_end_is_not_collected_for_ever() -> None:
    async def chunks() -> object:
        while True:
            yield b"x" * 60

    with pytest.raises(UnavailableError, match="longer than any line"):
        [line async for line in lines_of(chunks(), longest=100)]
