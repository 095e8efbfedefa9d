"""An agent moves to another machine: the old key hands over, the new one proves itself, nothing of the old is left."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import httpx
import pytest

from leasehold_agent.calls import Call
from leasehold_agent.clock import ServerClock
from leasehold_agent.errors import RefusedError, Trouble, UnavailableError
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.identity import moving as moving_module
from leasehold_agent.identity.enrolment import KeyUnknownError, begin, finish
from leasehold_agent.identity.moving import forget_keys, hand_over
from leasehold_agent.identity.record import Identity, MovedIdentity, enrolled, read_record, write_record
from leasehold_agent.identity.store_choice import open_store
from leasehold_protocol.v1.leases import RenewalRequest
from tests.api.test_key_rotation_of_the_agent import ENVIRON, Line, start, stored_keys
from tests.api.test_key_rotation_of_the_agent import state as state
from tests.support.agent_key import AgentKey
from tests.support.api_server import ISSUER, Api, EnrolledAgent, on_both_stores

HANDOVER = "/v1/agent/handover"
RENEWALS = "/v1/agent/renewals"


async def ask(api: Api, key: AgentKey) -> httpx.Response:
    """Register with nothing but the key, as the new machine does."""
    headers = {"DPoP": key.proof("POST", f"{ISSUER}/oauth/register", nonce=api.nonce)}
    body = {"client_name": "elsewhere", "jwks": {"keys": [key.public_jwk]}}
    return await api.client.post("/oauth/register", headers=headers, json=body)


@on_both_stores
async def test_the_old_key_hands_over_and_ends_when_the_new_one_proves_itself(api: Api, north: EnrolledAgent) -> None:
    new, old, old_token = AgentKey(), north.key, north.token

    handed = await north.call("POST", HANDOVER, json={"thumbprint": new.jkt})
    meanwhile = await north.call("POST", RENEWALS, json={})
    took = await asyncio.gather(*(ask(api, new) for _ in range(10)))

    assert handed.json() == {"current": old.jkt, "proposed": new.jkt}
    assert meanwhile.status_code == 200
    assert {(answer.status_code, answer.json()["client_id"]) for answer in took} == {(201, north.id)}
    assert took[0].json()["client_name"] == "north-1", "it stays the agent that it was"
    assert (await north.call("POST", RENEWALS, token=old_token, json={})).status_code == 401
    refused = await api.ask_token(old, north.id, assertion=old.assertion(north.id, ISSUER, gen=99))
    assert refused.json()["error"] == "invalid_client"
    north.key = new
    await north.sign_in()
    assert (await north.call("POST", RENEWALS, json={})).status_code == 200, "it counts its generations from 1"
    for action in ("agent.handed_over", "agent.moved"):
        [row] = await api.audited(action)
        assert (row.actor, row.address) == (f"agent:{north.id}", "127.0.0.1")


async def test_a_key_that_is_in_use_is_handed_nothing_and_a_malformed_one_is_refused(
    api: Api, north: EnrolledAgent
) -> None:
    neighbour = await api.enrol("north", name="north-2")

    answers = [
        await north.call("POST", HANDOVER, json={"thumbprint": jkt})
        for jkt in (north.key.jkt, neighbour.key.jkt, "A" * 44)
    ]

    assert [answer.status_code for answer in answers] == [409, 409, 422]


async def test_a_handover_may_be_repeated_and_corrected_until_the_new_machine_takes_over(
    api: Api, north: EnrolledAgent
) -> None:
    wrong, right = AgentKey(), AgentKey()
    for key in (wrong, right, right):
        assert (await north.call("POST", HANDOVER, json={"thumbprint": key.jkt})).status_code == 200

    assert (await ask(api, wrong)).json()["code"] == "key_unknown"
    assert (await ask(api, right)).status_code == 201


async def test_a_locked_agent_neither_hands_over_nor_is_taken_over(api: Api, north: EnrolledAgent) -> None:
    new = AgentKey()
    await north.call("POST", HANDOVER, json={"thumbprint": new.jkt})
    await api.as_person("POST", f"/v1/teams/default/agents/{north.id}/lock", json={"reason": "laptop stolen"})

    handed = await north.call("POST", HANDOVER, json={"thumbprint": AgentKey().jkt})
    took = await ask(api, new)

    assert handed.json()["code"] == took.json()["code"] == "agent_locked"


async def test_an_agent_that_was_handed_over_gets_no_new_key_here(api: Api, north: EnrolledAgent) -> None:
    await north.call("POST", HANDOVER, json={"thumbprint": AgentKey().jkt})
    proof = AgentKey().proof("PUT", f"{ISSUER}/v1/agent/key", token=north.token)

    answer = await north.call("PUT", "/v1/agent/key", json={"proof": proof})

    assert answer.status_code == 409


async def receive(api: Api, new: Path) -> Identity:
    """Do what the new machine does once it made its key."""
    pending, key, _ = begin(new, ISSUER, "file", ENVIRON)
    return await finish(Line(api), pending, key, None, new, name="elsewhere", version="1", clock=ServerClock())


def thumbprint_made(new: Path) -> str:
    new.mkdir(exist_ok=True)
    return begin(new, ISSUER, "file", ENVIRON)[1].thumbprint


async def move(line: Any, old: Path, to: str) -> None:
    """Do what the command does on the old machine, from wherever it stands."""
    record = read_record(old)
    if not isinstance(record, MovedIdentity):
        identity = enrolled(old, even_moving=True)
        record = await hand_over(identity, old, to=to, ask=start_moving(line, old).hand_over)
    forget_keys(record, old, open_store("file", old, ENVIRON))


def start_moving(line: Any, old: Path) -> Any:
    identity = enrolled(old, even_moving=True)
    write = identity.model_copy(update={"moving_to": None})
    kept = (old / "identity.json").read_bytes()
    write_record(old, write)
    agent = start(line, old).api
    (old / "identity.json").write_bytes(kept)
    return agent


async def test_an_agent_goes_on_elsewhere_and_its_key_here_is_gone(api: Api, state: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    to = thumbprint_made(new)
    before = enrolled(state)

    with pytest.raises(KeyUnknownError):
        await receive(api, new)
    await move(Line(api), state, to)
    after = await receive(api, new)

    assert (after.client_id, after.name, after.site) == (before.client_id, "north-1", "north")
    assert stored_keys(state) == []
    with pytest.raises(OperatorError, match="was moved to another machine") as gone:
        enrolled(state)
    assert gone.value.exit_code is Exit.NOT_ENROLLED
    await start(Line(api), new).api.renew(RenewalRequest())


class Crash(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(6))
async def test_a_crash_of_the_old_machine_at_any_step_is_made_up_for_by_the_same_command(
    api: Api, state: Path, tmp_path: Path, step: int, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    to, count, line = thumbprint_made(tmp_path / "new"), itertools.count(), Line(api)
    send, write = line.send, moving_module.write_record

    def crashes(*, done: bool) -> None:
        if done is after and (next(count) if not done or after else -1) == step:
            raise Crash

    async def sending(call: Call) -> Any:
        crashes(done=False)
        answer = await send(call)
        crashes(done=True)
        return answer

    def writing(*arguments: Any) -> None:
        crashes(done=False)
        write(*arguments)
        crashes(done=True)

    line.send = sending  # type: ignore[method-assign]
    with monkeypatch.context() as patched:
        patched.setattr(moving_module, "write_record", writing)
        with pytest.raises(Crash):
            await move(line, state, to)

    await move(Line(api), state, to)

    assert (await receive(api, tmp_path / "new")).name == "north-1"
    assert stored_keys(state) == []
    assert isinstance(read_record(state), MovedIdentity)


async def test_an_answer_that_was_lost_before_the_new_machine_took_over_is_made_up_for(
    api: Api, state: Path, tmp_path: Path
) -> None:
    to, line = thumbprint_made(tmp_path / "new"), Line(api)
    send = line.send

    async def losing(call: Call) -> Any:
        answer = await send(call)
        if call.url == HANDOVER:
            raise UnavailableError(Trouble.BROKEN)
        return answer

    line.send = losing  # type: ignore[method-assign]
    with pytest.raises(UnavailableError):
        await move(line, state, to)
    with pytest.raises(OperatorError, match="being moved"):
        enrolled(state)
    await receive(api, tmp_path / "new")

    await move(Line(api), state, to)

    assert stored_keys(state) == []


async def test_an_agent_whose_handover_is_refused_stays_what_it_is(api: Api, state: Path) -> None:
    neighbour = await api.enrol("north", name="north-2")

    with pytest.raises(RefusedError, match="in use"):
        await move(Line(api), state, neighbour.key.jkt)

    assert enrolled(state).moving_to is None
    await start(Line(api), state).api.renew(RenewalRequest())
