"""What every outbox of webhooks promises, and what a receiver gets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from leasehold_api.acting import By, Slice, Team
from leasehold_api.dags.catalog import NewVersion
from leasehold_api.errors import ConflictError, NotFoundError
from leasehold_api.runs.catalog import NewRun
from leasehold_api.storage.sql_webhooks import SqlHookOutbox
from leasehold_api.webhooks.outbox import MOST_TRIES, TAKEN_FOR_S, Sent
from leasehold_protocol.v1.leases import EndingKind
from leasehold_protocol.v1.manifest import Manifest
from leasehold_protocol.v1.webhooks import HookPayload
from tests.support.databases import open_database
from tests.support.world import TEAM, World, program

OURS = Team(id=TEAM, name="default")
TARGET = "https://hooks.example.org/leasehold"
HOOKS = {"on_failure": [TARGET], "on_success": ["chat"], "on_retry": [TARGET]}


class WebhooksContract:
    """Inherited once per database."""

    kind: str

    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        with open_database(self.kind) as (database, published):
            self.published = published
            self.outbox = SqlHookOutbox(database)
            yield await World(database).settle()

    async def run(self, world: World, **settings: Any) -> str:
        manifest = Manifest.model_validate({"dag": "told", "tasks": [program("read", **settings)], **HOOKS})
        version = NewVersion(
            team_id=TEAM, manifest=manifest, created_by="tester", dag_id="dag_told", version_id="ver_told"
        )
        await world.dags.deploy(version, now=world.now)
        new = NewRun(
            id="run_told", team_id=TEAM, dag="told", params={}, logical_date=world.now, trigger="manual", created_by="t"
        )
        return await world.runs.create(new, most_queued=10, now=world.now)

    async def failed(self, world: World) -> str:
        run = await self.run(world)
        (claimed,) = await world.claim()
        await world.end(claimed, EndingKind.FAILED, message="exit status 3")
        return run

    async def test_a_failed_run_leaves_a_webhook_that_says_what_failed(self, world: World) -> None:
        run = await self.failed(world)

        (due,) = await self.outbox.take(most=10, now=world.now)

        told = HookPayload.model_validate_json(due.payload)
        assert (told.event, told.run, told.state, told.team, told.dag) == (
            "run.failed",
            run,
            "failed",
            "default",
            "told",
        )
        assert [(task.task, task.state, task.reason) for task in told.tasks] == [("read", "failed", "exit status 3")]
        assert (due.target, due.id, due.tries) == (TARGET, told.id, 1)

    async def test_a_retry_and_a_success_are_told_to_whom_they_concern(self, world: World) -> None:
        await self.run(world, retries=1, retry_delay_s=0)
        (claimed,) = await world.claim()
        await world.end(claimed, EndingKind.FAILED, message="boom")
        await world.leases.queue_due(now=world.now)
        (claimed,) = await world.claim()
        await world.end(claimed)

        taken = await self.outbox.take(most=10, now=world.now)

        assert sorted((due.event, due.target) for due in taken) == [("run.succeeded", "chat"), ("task.retry", TARGET)]

    async def test_an_outcome_delivered_twice_tells_once(self, world: World) -> None:
        await self.run(world)
        (claimed,) = await world.claim()
        for _ in range(2):
            await world.end(claimed, EndingKind.FAILED)

        assert len(await self.outbox.take(most=10, now=world.now)) == 1

    async def test_who_takes_at_the_same_time_takes_different_ones_and_who_dies_loses_them(self, world: World) -> None:
        await self.failed(world)

        taken = await asyncio.gather(*(self.outbox.take(most=10, now=world.now) for _ in range(4)))

        assert sum(len(each) for each in taken) == 1
        assert await self.outbox.take(most=10, now=world.now + TAKEN_FOR_S - 1) == []
        (again,) = await self.outbox.take(most=10, now=world.now + TAKEN_FOR_S)
        assert again.tries == 2

    async def test_what_is_not_taken_is_tried_less_and_less_often_and_given_up_in_the_end(self, world: World) -> None:
        await self.failed(world)
        pauses: list[float] = []
        while (due_at := await self.outbox.next_due()) is not None:
            pauses.append(due_at - world.now)
            world.now = due_at
            (due,) = await self.outbox.take(most=10, now=world.now)
            await self.outbox.settle(due, Sent(problem="status 503"), now=world.now)

        assert len(pauses) == MOST_TRIES
        assert pauses == sorted(pauses)
        (dead,) = (await self.outbox.list(OURS, Slice(), state=None)).items
        assert (dead.state, dead.error, dead.tries) == ("dead", "status 503", MOST_TRIES)

    async def test_what_was_given_up_can_be_sent_again_and_nothing_else(self, world: World) -> None:
        await self.failed(world)
        (due,) = await self.outbox.take(most=10, now=world.now)
        by = By(actor="tester", at=world.now)
        with pytest.raises(ConflictError, match="is waiting"):
            await self.outbox.again(OURS, due.id, by=by)
        await self.outbox.settle(due, Sent(problem="gone", is_final=True), now=world.now)

        with pytest.raises(NotFoundError):
            await self.outbox.again(Team(id="team_2", name="others"), due.id, by=by)
        await self.outbox.again(OURS, due.id, by=by)

        (again,) = await self.outbox.take(most=10, now=world.now)
        assert (again.id, json.loads(again.payload)) == (due.id, json.loads(due.payload))
        await self.outbox.settle(again, Sent(), now=world.now)
        (told,) = (await self.outbox.list(OURS, Slice(), state=None)).items
        assert (told.state, told.error) == ("delivered", None)
        assert await self.outbox.next_due() is None
