"""Orders of people to an agent: they hold at once, are heard at once, and are said again until they are taken back."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from leasehold_api.fleet.orders import drained, in_force, most_slots, paused, resumed, with_slots
from leasehold_api.storage.sql_orders import orders_at, to_store
from leasehold_protocol.v1.agents import HelloAnswer
from leasehold_protocol.v1.fleet import Agent
from leasehold_protocol.v1.leases import Lease, LeaseAnswer, RenewalAnswer
from leasehold_protocol.v1.orders import Orders
from tests.api.test_agent_link import take, trigger, until
from tests.api.test_locking import HELLO
from tests.support.api_server import Api, EnrolledAgent, on_both_stores
from tests.support.world import program

AGENT = "/v1/teams/default/agents/north-1"
EVERY_ORDER: list[tuple[str, dict[str, Any]]] = [
    ("pause", {"note": "network is rebuilt"}),
    ("drain", {"note": "machine is replaced"}),
    ("slots", {"slots": 1}),
    ("resume", {}),
]


async def order(api: Api, what: str, **body: Any) -> Agent:
    answer = await api.as_person("POST", f"{AGENT}/{what}", json=body)
    assert answer.status_code == 200, answer.text
    return Agent.model_validate(answer.json())


async def hello(agent: EnrolledAgent, **more: Any) -> HelloAnswer:
    answer = await agent.call("POST", "/v1/agent/hello", json={**HELLO, "slots": 8, **more})
    assert answer.status_code == 200, answer.text
    return HelloAnswer.model_validate(answer.json())


async def leases(agent: EnrolledAgent, most: int) -> list[Lease]:
    """Ask twice for leases: the first answer may be about an order instead."""
    given: list[Lease] = []
    for _ in range(2):
        answer = await agent.call("POST", "/v1/agent/leases", json={"free_slots": most, "wait_s": 0})
        given += LeaseAnswer.model_validate(answer.json()).leases if answer.content else []
    return given


async def listen(agent: EnrolledAgent) -> httpx.Response:
    return await agent.call("POST", "/v1/agent/leases", json={"free_slots": 0, "wait_s": 30})


@on_both_stores
async def test_a_paused_agent_gets_no_leases_whatever_it_asks_and_gets_them_when_it_is_resumed(
    api: Api, north: EnrolledAgent
) -> None:
    await trigger(api, program("a"))
    await order(api, "pause", note="network is rebuilt")

    refused = await leases(north, 1)
    await order(api, "resume")
    given = await leases(north, 1)

    assert (refused, len(given)) == ([], 1)


@on_both_stores
async def test_set_slots_is_a_ceiling_in_the_greeting_and_in_the_claim(api: Api, north: EnrolledAgent) -> None:
    await trigger(api, program("a"), program("b"), program("c"))
    await order(api, "slots", slots=2)

    greeted = await hello(north)
    given = await leases(north, 8)

    assert greeted.slots == 2
    assert len(given) == 2


async def test_an_agent_without_free_slots_that_waits_hears_of_an_order_at_once(api: Api, north: EnrolledAgent) -> None:
    await hello(north)
    waiting = asyncio.create_task(listen(north))
    await until(lambda: len(api.house.parking) == 1)

    async with asyncio.timeout(20):
        await order(api, "pause", note="network is rebuilt", for_s=3600)
        heard = LeaseAnswer.model_validate((await waiting).json())

    assert heard.leases == []
    assert heard.orders is not None
    assert heard.orders.pause is not None
    assert heard.orders.pause.note == "network is rebuilt"
    assert heard.orders.pause.by == "token:bootstrap"
    assert heard.orders.pause.until is not None


async def test_work_that_is_queued_does_not_wake_who_asks_for_no_slots(api: Api, north: EnrolledAgent) -> None:
    waiting = asyncio.create_task(listen(north))
    await until(lambda: len(api.house.parking) == 1)

    await trigger(api, program("a"))
    given = await take(north)

    assert len(given.json()["leases"]) == 1
    assert not waiting.done()
    waiting.cancel()


async def test_greetings_and_renewals_say_the_orders_again(api: Api, north: EnrolledAgent) -> None:
    before = await hello(north)
    await order(api, "drain", note="machine is replaced")

    greeted = await hello(north)
    answer = await north.call("POST", "/v1/agent/renewals", json={"leases": []})

    renewed = RenewalAnswer.model_validate(answer.json())
    assert before.orders == Orders()
    assert greeted.orders == renewed.orders
    assert renewed.orders is not None
    assert renewed.orders.drain is not None


async def test_the_agent_says_how_it_is_and_people_see_it(api: Api, north: EnrolledAgent) -> None:
    reason = {"name": "clock", "text": "clock: 90 s behind", "since": "2026-11-22T12:00:00Z", "blocks": False}
    await hello(north, paused_because=["disk: full"], health={"reasons": [reason], "disk_free_bytes": 5})
    shown = (await api.as_person("GET", AGENT)).json()
    await north.call("POST", "/v1/agent/renewals", json={"leases": [], "health": {"reasons": [], "rss_bytes": 7}})
    later = (await api.as_person("GET", AGENT)).json()

    assert shown["paused_because"] == ["disk: full"]
    assert shown["health"]["reasons"] == [reason]
    assert shown["health"]["disk_free_bytes"] == 5
    assert shown["health_at"] is not None
    assert later["paused_because"] == []
    assert (later["health"]["reasons"], later["health"]["rss_bytes"]) == ([], 7)


async def test_an_older_agent_that_says_nothing_of_its_health_keeps_working(api: Api, north: EnrolledAgent) -> None:
    await hello(north)

    shown = (await api.as_person("GET", AGENT)).json()

    assert shown["health"] is None
    assert shown["status"] == "connected"


async def test_asking_for_work_is_a_sign_of_life(api: Api, north: EnrolledAgent) -> None:
    await take(north)

    assert (await api.as_person("GET", AGENT)).json()["status"] == "connected"


@pytest.mark.parametrize("role", ["viewer", "author"])
async def test_orders_take_an_operator(api: Api, north: EnrolledAgent, role: str) -> None:
    token = await api.make_api_token(role)

    answers = [await api.as_person("POST", f"{AGENT}/{what}", json=body, token=token) for what, body in EVERY_ORDER]

    assert {answer.status_code for answer in answers} == {403}
    assert (await hello(north)).orders == Orders()


async def test_an_operator_may_and_one_of_another_team_may_not(api: Api, north: EnrolledAgent) -> None:
    operator = await api.make_api_token("operator")
    await api.make_team("rivals")
    stranger = await api.make_api_token("admin", team="rivals")

    for what, body in EVERY_ORDER:
        assert (await api.as_person("POST", f"{AGENT}/{what}", json=body, token=operator)).status_code == 200
        assert (await api.as_person("POST", f"{AGENT}/{what}", json=body, token=stranger)).status_code in (403, 404)


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("pause", {"for_s": 0}),
        ("pause", {"for_s": -1}),
        ("pause", {"note": "x" * 501}),
        ("slots", {"slots": 0}),
        ("slots", {"slots": 5000}),
        ("slots", {}),
    ],
)
async def test_orders_that_do_not_fit_are_refused(api: Api, north: EnrolledAgent, what: str, body: Any) -> None:
    answer = await api.as_person("POST", f"{AGENT}/{what}", json=body)

    assert answer.status_code == 422
    assert (await hello(north)).orders == Orders()


async def test_orders_for_an_agent_that_is_not_there_are_not_found(api: Api, north: EnrolledAgent) -> None:
    for what, body in EVERY_ORDER:
        answer = await api.as_person("POST", f"/v1/teams/default/agents/nobody/{what}", json=body)
        assert answer.status_code == 404


async def test_resuming_what_is_not_paused_changes_nothing_and_leaves_no_row(api: Api, north: EnrolledAgent) -> None:
    await order(api, "resume")

    assert await api.audited("agent.resumed") == []


class TestOfTheRules:
    """How orders come, end and add up."""

    def test_a_pause_ends_by_itself_and_the_rest_stays(self) -> None:
        orders = with_slots(2, note="", by="user:a", now=0)(paused(note="", for_s=60, by="user:a", now=0)(Orders()))

        assert in_force(orders, now=59).pause is not None
        assert in_force(orders, now=60) == in_force(orders, now=60).model_copy(update={"pause": None})
        assert in_force(orders, now=60).slots is not None

    def test_resuming_ends_pause_and_drain_but_not_the_slots(self) -> None:
        orders = Orders()
        for revise in (
            paused(note="", for_s=None, by="user:a", now=0),
            drained(note="", by="user:a", now=0),
            with_slots(2, note="", by="user:a", now=0),
        ):
            orders = revise(orders)

        assert resumed()(orders) == with_slots(2, note="", by="user:a", now=0)(Orders())

    def test_the_first_drain_is_the_one_that_is_kept(self) -> None:
        first = drained(note="first", by="user:a", now=0)(Orders())

        assert drained(note="second", by="user:b", now=9)(first) == first

    @pytest.mark.parametrize(
        ("orders", "slots"),
        [
            (Orders(), 8),
            (with_slots(2, note="", by="user:a", now=0)(Orders()), 2),
            (with_slots(99, note="", by="user:a", now=0)(Orders()), 8),
            (paused(note="", for_s=None, by="user:a", now=0)(Orders()), 0),
            (drained(note="", by="user:a", now=0)(Orders()), 0),
        ],
    )
    def test_slots_follow_from_them(self, orders: Orders, slots: int) -> None:
        assert most_slots(8, orders) == slots
        assert orders_at(to_store(orders), now=0) == orders
