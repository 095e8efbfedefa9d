"""An agent replaces its key: both work until the new one is used, and then the old one opens nothing."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import httpx
import pytest

from tests.support.agent_key import AgentKey
from tests.support.api_server import ISSUER, Api, EnrolledAgent, on_both_stores

KEY = "/v1/agent/key"
RENEWALS = "/v1/agent/renewals"


def successor_of(agent: EnrolledAgent) -> AgentKey:
    """Return a new key that counts its assertions on from the agent's own."""
    key = AgentKey()
    key._generations = itertools.count(next(agent.key._generations))
    return key


async def propose(agent: EnrolledAgent, key: AgentKey, **proof: Any) -> httpx.Response:
    body = {"proof": key.proof("PUT", ISSUER + KEY, **({"token": agent.token} | proof))}
    return await agent.call("PUT", KEY, json=body)


@on_both_stores
async def test_both_keys_work_until_the_new_one_is_used(api: Api, north: EnrolledAgent) -> None:
    old, old_token, new = north.key, north.token, successor_of(north)

    proposed = await propose(north, new)
    meanwhile = await north.call("POST", RENEWALS, json={})
    first_use = await api.ask_token(new, north.id)

    assert proposed.json() == {"current": old.jkt, "proposed": new.jkt}
    assert meanwhile.status_code == 200
    assert first_use.status_code == 200
    assert (await north.call("POST", RENEWALS, json={})).status_code == 401
    north.key, north.token = new, first_use.json()["access_token"]
    assert (await north.call("POST", RENEWALS, json={})).status_code == 200
    retired = await api.ask_token(old, north.id, assertion=old.assertion(north.id, ISSUER, gen=99))
    assert retired.json()["error"] == "invalid_client"
    assert old_token != north.token
    assert [line.actor for line in await api.audited("agent.key_rotated")] == [f"agent:{north.id}"]
    shown = (await api.as_person("GET", f"/v1/teams/default/agents/{north.id}")).json()
    assert shown["key_thumbprint"] == new.jkt


@on_both_stores
async def test_first_uses_that_meet_retire_the_old_key_once(api: Api, north: EnrolledAgent) -> None:
    new = successor_of(north)
    await propose(north, new)

    answers = await asyncio.gather(*(api.ask_token(new, north.id) for _ in range(10)))

    assert 200 in {answer.status_code for answer in answers}
    assert len(await api.audited("agent.key_rotated")) == 1


async def test_a_proposal_is_replaced_by_the_next_one_and_may_be_repeated(api: Api, north: EnrolledAgent) -> None:
    first, second = successor_of(north), successor_of(north)
    await propose(north, first)
    await propose(north, second)

    again = await propose(north, second)

    assert again.json()["proposed"] == second.jkt
    assert (await api.ask_token(first, north.id)).json()["error"] == "invalid_client"
    assert (await api.ask_token(second, north.id)).status_code == 200


async def test_task_tokens_of_the_old_key_end_with_it_and_are_exchanged_by_the_new_one(
    api: Api, north: EnrolledAgent
) -> None:
    task_token, new = await api.lease(north, variables=["limit"]), successor_of(north)
    await propose(north, new)
    access = (await api.ask_token(new, north.id)).json()["access_token"]

    old = await north.call("GET", "/v1/task/variables/limit", token=task_token)
    exchanged = await api.ask_token(
        new,
        north.id,
        grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
        subject_token=access,
        subject_token_type="urn:ietf:params:oauth:token-type:access_token",
        resource=f"{ISSUER}/leases/ti_1.1",
    )

    assert old.status_code == 401
    north.key = new
    answer = await north.call("GET", "/v1/task/variables/limit", token=exchanged.json()["access_token"])
    assert answer.status_code == 404, "there is no such variable, but the task was let in"


@pytest.mark.parametrize("proof", [{"token": "another"}, {"htm": "POST"}, {"htu": f"{ISSUER}/oauth/token"}])
async def test_a_proof_for_anything_else_proposes_nothing(north: EnrolledAgent, proof: dict[str, str]) -> None:
    answer = await propose(north, AgentKey(), **proof)

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("proof: ")


async def test_a_key_that_is_in_use_is_not_taken(api: Api, north: EnrolledAgent) -> None:
    neighbour = await api.enrol("north", name="north-2")

    own = await propose(north, north.key)
    other = await propose(north, neighbour.key)

    assert [own.status_code, other.status_code] == [409, 409]


async def test_assertion_and_proof_must_be_of_the_same_key(api: Api, north: EnrolledAgent) -> None:
    new = successor_of(north)
    await propose(north, new)

    mixed = await api.ask_token(new, north.id, proof=north.key.proof("POST", f"{ISSUER}/oauth/token", nonce=api.nonce))

    assert mixed.json()["error"] == "invalid_dpop_proof"
    assert (await north.call("POST", RENEWALS, json={})).status_code == 200, "nothing was retired"
