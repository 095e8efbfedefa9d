"""One API, everybody who is needed to make the kinds of caller, and what a kind is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.api_server import Api, EnrolledAgent
from tests.support.callers.answers import Row

Call = Callable[[str, str], Awaitable[httpx.Response]]
"""Calls (method, path) with a body that fits no route."""
Make = Callable[["Cast"], Awaitable[Call]]


@dataclass
class Cast:
    """One API, and everybody who is needed to make the kinds of caller. Made once for a walk."""

    api: Api
    north: EnrolledAgent
    task_token: str
    locked: dict[str, tuple[EnrolledAgent, str]] = field(default_factory=dict)
    """By what the lock says of running attempts: the agent and a task token of its."""


async def assemble(api: Api) -> Cast:
    """Make the sites, agents and leases."""
    await api.make_site("north")
    north = await api.enrol("north")
    cast = Cast(api=api, north=north, task_token=await api.lease(north, **DECLARED))
    await api.make_team("rivals")
    for running in ("finish", "cancel"):
        agent = await api.enrol("north", name=f"locked-{running}")
        token = await api.lease(agent, instance=f"ti_{running}", **DECLARED)
        lock = f"/v1/teams/default/agents/{agent.id}/lock"
        answer = await api.as_person("POST", lock, json={"reason": "a walk", "running": running})
        assert answer.status_code == 200, answer.text
        # A lock ends access tokens; one that was got since must not do more.
        signed_in = await api.ask_token(agent.key, agent.id)
        agent.token = signed_in.json().get("access_token", agent.token)
        cast.locked[running] = (agent, token)
    return cast


DECLARED: dict[str, Any] = {"variables": ["no-such-thing"], "needs": {"connections": ["no-such-thing"]}}
"""What tasks of the walk declare: the names that the walk puts into every path."""


@dataclass(frozen=True, slots=True)
class CallerKind:
    """One kind of caller."""

    name: str
    make: Make
    row: Row

    def __str__(self) -> str:
        """Return the name, for the ids of tests."""
        return self.name


def body_of(method: str) -> dict[str, Any]:
    """Return a body that fits no route."""
    return {"content": b"\x00"} if method in {"PUT", "POST", "PATCH"} else {}
