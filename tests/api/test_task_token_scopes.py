"""Task tokens: never wider than declared and granted, and no longer than the attempt has its lease."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from leasehold_api import clock
from leasehold_api.oauth.tokens.task_tokens import scopes_for
from leasehold_api.storage import tables
from leasehold_protocol.v1.manifest import TaskEntry
from tests.support.api_server import Api, EnrolledAgent, on_both_stores
from tests.support.world import program

NAME = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)
NAMES = st.lists(NAME, max_size=6, unique=True)


@given(NAMES, NAMES, NAMES, NAMES)
def test_scopes_are_exactly_what_is_declared_and_granted(
    connections: list[str], variables: list[str], upstream: list[str], granted: list[str]
) -> None:
    entry = program("a", *upstream, needs={"connections": connections}, variables=variables)

    scopes = scopes_for(TaskEntry.model_validate(entry), granted)

    assert len(scopes) == len(set(scopes))
    assert set(scopes) == {
        *(f"connection:{name}:read" for name in connections if name in granted),
        *(f"variable:{name}:{action}" for name in variables for action in ("read", "write")),
        *(f"xcom:{name}:read" for name in upstream),
    }


@pytest.mark.parametrize("renews", [True, False], ids=["renewed first", "delivered at once"])
async def test_an_outage_longer_than_the_token_does_not_void_what_was_finished(
    api: Api, north: EnrolledAgent, monkeypatch: pytest.MonkeyPatch, renews: bool
) -> None:
    manifest = {"dag": "long", "tasks": [program("a", max_offline_s=7200, variables=["limit"])]}
    await api.as_person("POST", "/v1/teams/default/dags", json={"manifest": manifest})
    run = (await api.as_person("POST", "/v1/teams/default/dags/long/runs", json={})).json()["run"]
    taken = await north.call("POST", "/v1/agent/leases", json={"free_slots": 1, "wait_s": 0})
    (lease,) = taken.json()["leases"]
    later = clock.now() + 3600
    monkeypatch.setattr(clock, "now", lambda: later)

    expired = await north.call("GET", "/v1/task/variables/limit", token=lease["task_token"])
    await north.sign_in()
    if renews:
        renewed = await north.call(
            "POST", "/v1/agent/renewals", json={"leases": [{"attempt": lease["attempt"], "needs_token": True}]}
        )
        token = renewed.json()["leases"][0]["task_token"]
        assert (await north.call("GET", "/v1/task/variables/limit", token=token)).status_code == 404  # let in
    ending = {"attempt": lease["attempt"], "ending": {"kind": "success", "ended_at": "2026-01-31T12:00:00Z"}}
    ended = await north.call("POST", "/v1/agent/outcomes", json={"outcomes": [ending]})

    assert expired.json()["code"] == "token_expired"
    assert ended.json()["outcomes"][0]["verdict"] == "recorded"
    assert (await api.as_person("GET", f"/v1/teams/default/runs/{run}")).json()["state"] == "success"


@on_both_stores
async def test_no_write_of_an_older_epoch_gets_through_while_leases_are_taken_away(
    api: Api, north: EnrolledAgent
) -> None:
    instance = tables.task_instances.c.id == "ti_1"
    token = await api.lease(north, variables=["limit"])
    path = "/v1/task/variables/limit"

    async def take_away() -> None:
        await api.database.write(
            lambda tx: tx.run(update(tables.task_instances).where(instance).values(epoch=2)).close()
        )

    async def write(number: int) -> int:
        return (await north.call("PUT", path, token=token, json={"value": number})).status_code

    racing = [asyncio.create_task(write(number)) for number in range(12)]
    await take_away()
    marked = await api.as_person("PUT", "/v1/teams/default/variables/limit", json={"value": "marked"})
    statuses = set(await asyncio.gather(*racing))
    after = await write(99)

    assert marked.status_code in {200, 201}
    assert statuses <= {204, 409}
    assert after == 409
    # Whatever came before the epoch was raised was overwritten; nothing of it came after.
    stored = await api.as_person("GET", "/v1/teams/default/variables/limit")
    assert stored.json()["value"] == "marked"


@on_both_stores
async def test_no_request_succeeds_after_its_token_was_said_to_be_revoked(api: Api) -> None:
    token = await api.make_api_token("viewer")
    revoked = asyncio.Event()
    late: list[int] = []

    async def use() -> None:
        while True:
            began_after = revoked.is_set()
            answer = await api.as_person("GET", "/v1/whoami", token=token)
            if began_after:
                late.append(answer.status_code)
                return

    users = [asyncio.create_task(use()) for _ in range(6)]
    answer = await api.as_person("DELETE", f"/v1/teams/default/api-tokens/{token.partition('.')[0]}")
    revoked.set()
    await asyncio.gather(*users)

    assert answer.status_code in {200, 204}
    assert late == [401] * 6
