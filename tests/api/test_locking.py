"""Locking agents and sites: what becomes of running attempts, on the very next request."""

from __future__ import annotations

import asyncio
import re

import pytest

from leasehold_api.acting import By, Team
from leasehold_api.http.access import ACCESS, Kind
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_agents import SqlAgents
from leasehold_api.storage.sql_locks import lock_agent
from leasehold_protocol.v1.fleet import RunningAttempts
from leasehold_protocol.v1.leases import EndingKind
from tests.support.api_server import Api, EnrolledAgent, on_both_stores
from tests.support.databases import open_database
from tests.support.world import NORTH, SOUTH, TEAM, World, program

AGENT = "/v1/teams/default/agents/north-1"
SITE = "/v1/teams/default/sites/north"
HELLO = {
    "agent_version": "1",
    "protocol_min": 1,
    "protocol_max": 1,
    "slots": 1,
    "host": {"hostname": "h", "os": "linux", "arch": "x", "cpus": 1, "python": "3.11"},
}


async def lock(api: Api, what: str, running: str | None) -> None:
    body = {"reason": "a test"} | ({"running": running} if running else {})
    answer = await api.as_person("POST", f"{what}/lock", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["locked_running"] == (running or "cancel")


async def statuses(agent: EnrolledAgent) -> dict[str, str]:
    """Return how the agent's routes answer: the problem's code, or ok."""
    calls = {
        "hello": await agent.call("POST", "/v1/agent/hello", json=HELLO),
        "renewals": await agent.call("POST", "/v1/agent/renewals", json={"leases": [{"attempt": "ti_1.1"}]}),
        "leases": await agent.call("POST", "/v1/agent/leases", json={"free_slots": 1, "wait_s": 0}),
        "metrics": await agent.call("POST", "/v1/attempts/ti_1.1/metrics", json={"points": []}),
        "key": await agent.call("PUT", "/v1/agent/key", json={"proof": "x"}),
    }
    return {name: answer.json().get("code", "ok") if answer.content else "ok" for name, answer in calls.items()}


@on_both_stores
@pytest.mark.parametrize("what", [AGENT, SITE])
async def test_with_finish_an_agent_renews_and_delivers_and_gets_nothing_new(
    api: Api, north: EnrolledAgent, what: str
) -> None:
    await api.lease(north)
    await lock(api, what, "finish")

    ended = await statuses(north)
    await north.sign_in()
    again = await statuses(north)

    assert ended["leases"] == ended["key"] == "agent_locked"
    assert ended["renewals"] == "unauthenticated", "its tokens ended with the lock"
    assert again["leases"] == again["key"] == "agent_locked"
    assert again["hello"] == again["renewals"] == "ok"
    assert again["metrics"] != "agent_locked"


async def test_the_table_of_routes_says_what_is_open_to_an_agent_that_finishes(api: Api, north: EnrolledAgent) -> None:
    await lock(api, AGENT, "finish")
    await north.sign_in()
    wrong: list[str] = []

    for (method, route), needed in ACCESS.items():
        if needed.kind is Kind.AGENT:
            path = re.sub(r"\{\w+(:path)?\}", "0" * 64, route)
            answer = await north.call(method, path, content=b"{}", headers={"Content-Type": "application/json"})
            is_locked = b"agent_locked" in answer.content
            if is_locked is needed.while_finishing:
                wrong.append(f"{method} {route}: {answer.text[:100]}")

    assert wrong == []
    closed = {
        route for (_, route), needed in ACCESS.items() if needed.kind is Kind.AGENT and not needed.while_finishing
    }
    assert closed == {
        "/v1/agent/leases",
        "/v1/agent/stream",
        "/v1/agent/stream/grants",
        "/v1/agent/key",
        "/v1/agent/handover",
    }


@pytest.mark.parametrize("what", [AGENT, SITE])
@pytest.mark.parametrize("running", ["cancel", None])
async def test_with_cancel_every_route_and_the_token_endpoint_are_closed(
    api: Api, north: EnrolledAgent, what: str, running: str | None
) -> None:
    await lock(api, what, running)

    assert set((await statuses(north)).values()) == {"agent_locked"}
    answer = await api.ask_token(north.key, north.id)
    assert answer.json()["code"] == "agent_locked"


async def test_finish_turns_into_cancel_by_locking_again_and_the_stricter_lock_counts(
    api: Api, north: EnrolledAgent
) -> None:
    await lock(api, AGENT, "finish")
    await lock(api, SITE, "cancel")

    assert set((await statuses(north)).values()) == {"agent_locked"}


async def test_outcomes_of_a_finishing_agent_bring_no_leases(api: Api, north: EnrolledAgent) -> None:
    await lock(api, AGENT, "finish")
    await north.sign_in()

    answer = await north.call("POST", "/v1/agent/outcomes", json={"outcomes": [], "free_slots": 4})

    assert answer.status_code == 200
    assert answer.json()["leases"] == []


async def test_a_site_that_is_unlocked_lets_its_agents_in_but_not_those_locked_themselves(
    api: Api, north: EnrolledAgent
) -> None:
    other = await api.enrol("north", name="north-2")
    await lock(api, AGENT, "cancel")
    await lock(api, SITE, "cancel")

    await api.as_person("POST", f"{SITE}/unlock")

    assert (await api.ask_token(other.key, other.id)).status_code == 200
    assert (await api.ask_token(north.key, north.id)).json()["code"] == "agent_locked"
    assert [line.object for line in await api.audited("site.unlocked")] == ["north"]


async def test_nobody_enrols_at_a_locked_site(api: Api, north: EnrolledAgent) -> None:
    token = await api.make_enrolment_token("north")
    await lock(api, SITE, "finish")

    answer = await api.ask_enrolment(type(north.key)(), token)

    assert answer.status_code == 401
    assert "is locked" in answer.json()["error_description"]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
class TestOfLeases:
    """What a lock does to leases, in the store."""

    async def test_with_cancel_they_end_at_once_and_are_queued_with_a_new_epoch(self, kind: str) -> None:
        with open_database(kind) as (database, _):
            world = await World(database).settle()
            run = await world.run(program("extract"))
            (old,) = await world.claim()

            await _lock(world, RunningAttempts.CANCEL)

            assert await world.states(run) == {"extract": "queued"}
            assert (await world.task(run, "extract")).reason == "its agent was locked: a test"
            assert await world.end(old) == "duplicate", "what the locked agent says later does not count"
            assert await world.claim(NORTH) == []
            (new,) = await world.claim(SOUTH)
            assert new.epoch == old.epoch + 1

    async def test_with_finish_they_go_on_and_nothing_new_is_leased(self, kind: str) -> None:
        with open_database(kind) as (database, _):
            world = await World(database).settle()
            run = await world.run(program("extract"), program("load"))
            (held,) = await world.claim()

            await _lock(world, RunningAttempts.FINISH)

            assert await world.claim(NORTH) == []
            assert await world.end(held, EndingKind.SUCCESS) == "recorded"
            assert (await world.states(run))[held.entry.id] == "success"

    async def test_a_lock_is_no_failure_however_often_it_happens(self, kind: str) -> None:
        with open_database(kind) as (database, _):
            world = await World(database).settle()
            run = await world.run(program("extract"))
            for _ in range(5):
                await world.claim()
                await _lock(world, RunningAttempts.CANCEL)
                await _unlock(world)

            assert await world.states(run) == {"extract": "queued"}

    async def test_a_claim_that_meets_the_lock_leaves_nothing_with_the_agent(self, kind: str) -> None:
        with open_database(kind) as (database, _):
            world = await World(database).settle()
            await world.run(*(program(f"part-{n}") for n in range(30)))

            await asyncio.gather(
                *(world.claim(most=2) for _ in range(6)),
                _lock(world, RunningAttempts.CANCEL),
                *(world.claim(most=2) for _ in range(6)),
            )

            assert await world.leases.renew(NORTH, [], now=world.now) == []
            assert len(await world.claim(SOUTH, most=32)) >= 16


async def _lock(world: World, running: RunningAttempts) -> None:
    await world.database.write(
        lambda tx: lock_agent(tx, Plans(), NORTH.agent_id, because="a test", running=running, now=world.now)
    )


async def _unlock(world: World) -> None:
    agents = SqlAgents(world.database, Plans())
    await agents.unlock(Team(id=TEAM, name="default"), NORTH.agent_id, by=By(actor="test", at=world.now))
