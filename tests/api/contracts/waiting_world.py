"""A store with tasks that wait, and how tests act on it: what the contracts of waiting share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from leasehold_api.acting import By, Team
from leasehold_api.leases.claimed import Claimed
from leasehold_api.storage.sql_questions import SqlEvents, SqlQuestions
from leasehold_api.storage.sql_task_state import SqlTaskState
from leasehold_protocol.v1.leases import EndingKind
from leasehold_protocol.v1.waiting import Answer
from tests.support.databases import open_database
from tests.support.world import TEAM, World, program

OURS = Team(id=TEAM, name="default")
ASKED = {"question": "Ship it?", "options": ["yes", "no"], "assigned_to": []}


def a_question(key: str = "ship", default: Any = None, timeout_s: float | None = None, **more: Any) -> dict[str, Any]:
    return {
        "key": key,
        "kind": "question",
        "question": {**ASKED, **more},
        "default": default,
        "timeout_s": timeout_s,
        "since_start_s": 0,
    }


def an_event(name: str = "opens", **more: Any) -> dict[str, Any]:
    return {"key": f"event:{name}", "kind": "event", "event": name, **more}


class WaitingWorld:
    """Inherited by the contracts, and these once per database."""

    kind: str

    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        with open_database(self.kind) as (database, _published):
            world = await World(database).settle()
            self.questions, self.events, self.state = (
                SqlQuestions(database),
                SqlEvents(database),
                SqlTaskState(database),
            )
            yield world

    def by(self, world: World, name: str = "ann") -> By:
        return By(actor=f"user:{name}", at=world.now)

    async def deferred(self, world: World, wait: dict[str, Any], **settings: Any) -> tuple[str, Claimed]:
        """Return a run whose only task waits, and what it was leased as."""
        run = await world.run(program("waits", **settings))
        (claimed,) = await world.claim()
        assert await world.end(claimed, EndingKind.DEFERRED, wait=wait) == "recorded"
        return run, claimed

    async def send(self, world: World, name: str = "opens", value: Any = None) -> int:
        world.now += 1
        by = self.by(world)
        return (await self.events.send(OURS, f"ev_{world.now}", name, value, by=by)).resumed

    async def the_input(self, world: World, run: str) -> str:
        found = (await world.task(run, "waits")).input
        assert found is not None
        return found

    async def answer(self, world: World, run: str, chosen: str = "yes", name: str = "ann") -> None:
        given = Answer(chosen=[chosen])
        await self.questions.answer(OURS, await self.the_input(world, run), given, name=name, by=self.by(world, name))
