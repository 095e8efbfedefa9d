"""The agent's own side of key rotation against the real API: crashes at every step, and work that goes on meanwhile."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from leasehold_agent.calls import Answer, Call
from leasehold_agent.clock import ServerClock
from leasehold_agent.errors import Trouble, UnavailableError
from leasehold_agent.identity import rotation as rotation_module
from leasehold_agent.identity.access import CachedToken
from leasehold_agent.identity.enrolment import begin, finish, load_keys
from leasehold_agent.identity.enrolment_token import parse
from leasehold_agent.identity.generation import next_generation
from leasehold_agent.identity.key_in_use import KeyInUse
from leasehold_agent.identity.oauth import TokenRequests
from leasehold_agent.identity.record import Identity, enrolled, write_record
from leasehold_agent.identity.rotation import KeyRotation
from leasehold_agent.link.api import Api as AgentApi
from leasehold_agent.link.session import Session
from leasehold_protocol.v1.leases import LeaseRequest, RenewalRequest
from tests.support.api_server import ISSUER, Api

ENVIRON = {"HOME": "/nonexistent"}
MONTH_S = 30 * 86400.0


class Crash(BaseException):
    """The process is gone."""


class Line:
    """The agent's HTTP client, into the API of this process."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def send(self, call: Call) -> Answer:
        answer = await self._api.client.request(
            call.method, self.absolute(call.url), headers=dict(call.headers), content=call.body
        )
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(status=answer.status_code, headers=headers, body=answer.content)

    def absolute(self, url: str) -> str:
        return url if "://" in url else ISSUER + url


@dataclass
class Running:
    """An agent process, as far as its identity goes."""

    identity: Identity
    keys: KeyInUse
    rotation: KeyRotation
    api: AgentApi


def start(line: Any, state: Path) -> Running:
    identity = enrolled(state)
    keys, store = load_keys(identity, state, ENVIRON)
    clock = ServerClock()
    tokens = TokenRequests(
        line,
        keys,
        client_id=identity.client_id,
        issuer=identity.issuer,
        clock=clock,
        generation=partial(next_generation, state),
    )
    access = CachedToken(tokens.access_token)
    api = AgentApi(line, Session(line, keys, access, clock))
    rotation = KeyRotation(identity, keys, store, state, propose=api.propose_key, tokens=tokens, access=access)
    return Running(identity, keys, rotation, api)


@pytest.fixture
async def state(api: Api, tmp_path: Path) -> Path:
    """Return the state directory of an agent that enrolled at the site north."""
    await api.make_site("north")
    token = parse(await api.make_enrolment_token("north"))
    state = tmp_path / "agent"
    state.mkdir()
    pending, key, _ = begin(state, ISSUER, "file", ENVIRON)
    await finish(Line(api), pending, key, token, state, name="north-1", version="1", clock=ServerClock())
    return state


def stored_keys(state: Path) -> list[str]:
    return sorted(path.stem for path in (state / "keys").glob("*.sealed"))


async def thumbprint_at_the_api(api: Api) -> str:
    agents = (await api.as_person("GET", "/v1/teams/default/agents")).json()["items"]
    return str(agents[0]["key_thumbprint"])


async def test_a_rotation_leaves_one_key_here_and_there(api: Api, state: Path) -> None:
    agent = start(Line(api), state)
    before = agent.keys.current.thumbprint

    after = await agent.rotation.rotate()

    assert after != before
    assert await thumbprint_at_the_api(api) == after == agent.keys.current.thumbprint
    assert stored_keys(state) == [enrolled(state).key_name]
    assert start(Line(api), state).keys.current.thumbprint == after
    await agent.api.renew(RenewalRequest())


async def test_a_key_is_replaced_at_the_age_that_the_api_says_and_not_before(api: Api, state: Path) -> None:
    agent = start(Line(api), state)
    since, first = agent.identity.key_since, agent.keys.current.thumbprint

    await agent.rotation.rotate_if_due(every_s=MONTH_S / 2, now=since + MONTH_S / 2 - 1)
    young = agent.keys.current.thumbprint
    await agent.rotation.rotate_if_due(every_s=MONTH_S / 2, now=since + MONTH_S / 2)

    assert young == first
    assert agent.keys.current.thumbprint != first
    assert enrolled(state).rotate_key_every_s == MONTH_S / 2


class CrashingAt:
    """Lets the process end at one of its steps: before the step took effect, or right after."""

    def __init__(self, step: int, *, after: bool) -> None:
        self._step = step
        self._after = after
        self._count = itertools.count()
        self.crashed = False

    def _is_now(self) -> bool:
        self.crashed = self.crashed or next(self._count) == self._step
        return self.crashed

    def wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def crashing(*arguments: Any) -> Any:
            now = self._is_now()
            if now and not self._after:
                raise Crash
            result = call(*arguments)
            if now:
                raise Crash
            return result

        return crashing

    def wrapped_async(self, call: Callable[..., Any]) -> Callable[..., Any]:
        async def crashing(*arguments: Any) -> Any:
            now = self._is_now()
            if now and not self._after:
                raise Crash
            result = await call(*arguments)
            if now:
                raise Crash
            return result

        return crashing


STEPS = 10
"""A record, a store, four requests (the first is told the nonce), then a record, a deletion, a record."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(STEPS))
async def test_a_crash_at_any_step_leaves_an_identity_that_works(
    api: Api, state: Path, step: int, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash, line = CrashingAt(step, after=after), Line(api)
    line.send = crash.wrapped_async(line.send)  # type: ignore[method-assign]
    agent = start(line, state)
    store = agent.rotation._store
    with monkeypatch.context() as patched:
        patched.setattr(rotation_module, "write_record", crash.wrapped(write_record))
        patched.setattr(store, "put", crash.wrapped(store.put))
        patched.setattr(store, "delete", crash.wrapped(store.delete))
        if step < STEPS - 1:
            with pytest.raises(Crash):
                await agent.rotation.rotate()
        else:
            await agent.rotation.rotate()

    restarted = start(Line(api), state)
    await restarted.api.renew(RenewalRequest())
    await restarted.rotation.rotate_if_due(every_s=MONTH_S, now=restarted.identity.key_since + 1)

    record = json.loads((state / "identity.json").read_text())
    assert (record["next_key_name"], record["retired_key_name"]) == (None, None)
    assert stored_keys(state) == [record["key_name"]]
    assert await thumbprint_at_the_api(api) == restarted.keys.current.thumbprint


async def test_an_answer_that_is_lost_at_any_step_is_made_up_for_without_a_restart(api: Api, state: Path) -> None:
    line = Line(api)
    agent, send, lost = start(line, state), line.send, itertools.count()

    async def losing(call: Call) -> Answer:
        answer = await send(call)
        if next(lost) % 2 == 0:
            raise UnavailableError(Trouble.BROKEN)
        return answer

    line.send = losing  # type: ignore[method-assign]
    for _ in range(6):
        try:
            await agent.rotation.rotate()
            break
        except UnavailableError:
            continue
    line.send = send  # type: ignore[method-assign]
    await agent.rotation.rotate_if_due(every_s=MONTH_S, now=agent.identity.key_since + 1)

    await agent.api.renew(RenewalRequest())
    assert await thumbprint_at_the_api(api) == agent.keys.current.thumbprint
    assert stored_keys(state) == [enrolled(state).key_name]


async def test_no_request_is_lost_while_keys_rotate_under_load(api: Api, state: Path) -> None:
    agent, done, answered = start(Line(api), state), asyncio.Event(), itertools.count()

    async def work(number: int) -> None:
        while not done.is_set():
            if number % 2:
                await agent.api.renew(RenewalRequest())
            else:
                await agent.api.lease(LeaseRequest(free_slots=1, wait_s=0))
            next(answered)

    async def rotate() -> set[str]:
        keys = {await agent.rotation.rotate() for _ in range(5)}
        done.set()
        return keys

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        rotating = group.create_task(rotate())
        for number in range(8):
            group.create_task(work(number))

    assert len(rotating.result()) == 5
    assert next(answered) > 20
    assert len(await api.audited("agent.key_rotated")) == 5
