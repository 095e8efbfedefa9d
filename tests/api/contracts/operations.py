"""What every store of operations on runs promises."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from leasehold_api.acting import By, Team
from leasehold_api.errors import ConflictError, NotFoundError
from leasehold_api.runs.flow import Upstream
from leasehold_api.runs.recount import Standing, recounted
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_operations import SqlRunOperations
from leasehold_protocol.v1.leases import EndingKind, HeldLease
from leasehold_protocol.v1.operations import CancelTaskRequest, MarkRequest, PriorityRequest, RetryRequest, RunChanged
from leasehold_protocol.v1.runs import TaskState
from tests.support.databases import open_database
from tests.support.world import NORTH, SOUTH, TEAM, World, program

OURS = Team(id=TEAM, name="default")


class Hand:
    """A person who operates on runs of a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = SqlRunOperations(world.database, Plans())

    @property
    def by(self) -> By:
        return By(actor="tester", at=self.world.now)

    async def retry(self, run: str, **asked: Any) -> RunChanged:
        return await self.store.retry(OURS, run, RetryRequest.model_validate(asked), by=self.by)

    async def mark(self, run: str, task: str, state: str) -> RunChanged:
        asked = MarkRequest.model_validate({"state": state})
        return await self.store.mark(OURS, run, task, asked, says=f"marked {state}", by=self.by)

    async def cancel(self, run: str, task: str) -> RunChanged:
        return await self.store.cancel_task(OURS, run, task, CancelTaskRequest(), says="enough", by=self.by)

    async def priority(self, run: str, priority: int, task: str | None = None) -> RunChanged:
        return await self.store.set_priority(OURS, run, PriorityRequest(priority=priority, task=task), by=self.by)


async def require_counters_as_recounted(world: World, run: str) -> None:
    """Compare what is stored with what the states alone say."""
    rows: list[Any] = await world.database.read(
        lambda c: list(c.execute(text("SELECT * FROM task_instances WHERE run_id = :run"), {"run": run}).all())
    )
    row: Any = await world.database.read(
        lambda c: c.execute(text("SELECT * FROM runs WHERE id = :run"), {"run": run}).one()
    )
    plan: Any = await world.database.read(lambda c: Plans().get(c, row.dag_version_id))
    picture = {
        one.id: Standing(
            id=one.id,
            task=one.task,
            map_index=one.map_index,
            state=TaskState(one.state),
            upstream=Upstream(
                waits_for=one.waits_for,
                successes=one.upstream_successes,
                failures=one.upstream_failures,
                unreached=one.upstream_unreached,
                skips=one.upstream_skips,
            ),
        )
        for one in rows
    }
    assert recounted(plan.entries, plan.setups, picture) == picture
    left = sum(not one.state.is_final for one in picture.values())
    assert (row.open_tasks, row.state != "running") == (left, left == 0)


class OperationsContract:
    """Inherited once per database."""

    kind: str

    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        with open_database(self.kind) as (database, _published):
            yield await World(database).settle()

    @pytest.fixture
    def hand(self, world: World) -> Hand:
        return Hand(world)

    async def _failed(self, world: World) -> str:
        run = await world.run(
            program("read"),
            program("send", "read"),
            program("note", "send"),
            program("tidy", "send", trigger_rule="all_done"),
        )
        (read,) = await world.claim()
        await world.end(read, result=1)
        (send,) = await world.claim()
        await world.end(send, EndingKind.FAILED, message="exit status 3")
        (tidy,) = await world.claim()
        await world.end(tidy)
        assert await world.states(run) == {
            "read": "success", "send": "failed", "note": "upstream_failed", "tidy": "success"
        }  # fmt: skip
        return run

    async def test_a_retry_does_again_what_failed_and_what_depends_on_it_and_nothing_else(
        self, world: World, hand: Hand
    ) -> None:
        run = await self._failed(world)

        done = await hand.retry(run)

        assert {one.task: (one.was, one.state) for one in done.changed} == {
            "send": ("failed", "queued"), "note": ("upstream_failed", "none"), "tidy": ("success", "none")
        }  # fmt: skip
        assert done.state == "running"
        for _ in range(3):
            (claimed,) = await world.claim()
            await world.end(claimed)
            await require_counters_as_recounted(world, run)
        assert set((await world.states(run)).values()) == {"success"}
        assert (await world.look(run)).state == "success"

    async def test_what_was_tried_before_stays_in_the_history_and_the_author_s_retries_begin_anew(
        self, world: World, hand: Hand
    ) -> None:
        run = await world.run(program("flaky", retries=1, retry_delay_s=0))
        for _ in range(2):
            (claimed,) = await world.claim()
            await world.end(claimed, EndingKind.FAILED, message="boom")
            await world.leases.queue_due(now=world.now)
        assert await world.states(run) == {"flaky": "failed"}

        await hand.retry(run)

        (third,) = await world.claim()
        await world.end(third, EndingKind.FAILED, message="boom")
        task = await world.task(run, "flaky")
        assert (task.state, [attempt.try_number for attempt in task.attempts]) == ("up_for_retry", [1, 2, 3])

    async def test_what_an_attempt_says_after_the_retry_does_not_count(self, world: World, hand: Hand) -> None:
        run = await world.run(program("slow", max_offline_s=60), program("other", needs={"labels": {"zone": "south"}}))
        (slow,) = await world.claim()
        world.now += 61
        await world.leases.expire(now=world.now)
        await hand.cancel(run, "slow")
        await hand.retry(run, task="slow")

        verdict = await world.end(slow)

        assert verdict == "stale"
        assert (await world.states(run))["slow"] == "queued"
        (again,) = await world.claim()
        assert again.epoch > slow.epoch + 1

    async def test_results_of_before_are_not_seen_by_what_runs_again(self, world: World, hand: Hand) -> None:
        run = await world.run(program("read"), program("send", "read"))
        (read,) = await world.claim()
        await world.end(read, result="old")
        (send,) = await world.claim()
        await world.end(send, EndingKind.FAILED)

        await hand.retry(run, task="read")

        assert (await world.task(run, "read")).result is None
        (read,) = await world.claim()
        await world.end(read, result="new")
        (send,) = await world.claim()
        assert [each.value for each in send.inputs] == ["new"]

    async def test_only_one_task_is_done_again_when_that_is_asked(self, world: World, hand: Hand) -> None:
        run = await self._failed(world)

        done = await hand.retry(run, task="send", downstream=False)

        assert [one.task for one in done.changed] == ["send"]
        (send,) = await world.claim()
        await world.end(send)
        assert (await world.look(run)).state == "failed", "note never ran: it stays upstream_failed"
        await require_counters_as_recounted(world, run)

    async def test_a_retry_is_refused_where_something_in_its_way_runs(self, world: World, hand: Hand) -> None:
        run = await world.run(program("read"), program("tidy", "read", trigger_rule="all_done"))
        (read,) = await world.claim()
        await world.end(read, EndingKind.FAILED)
        await world.claim()

        with pytest.raises(ConflictError, match=rf"tidy is running.*leasehold runs cancel {run} --task tidy"):
            await hand.retry(run)

    async def test_what_cannot_be_done_is_refused_with_the_way_out(self, world: World, hand: Hand) -> None:
        run = await world.run(program("read"))

        with pytest.raises(ConflictError, match=r"nothing in run .* failed"):
            await hand.retry(run)
        with pytest.raises(ConflictError, match="read is queued"):
            await hand.retry(run, task="read")
        with pytest.raises(NotFoundError, match="no task 'raed'"):
            await hand.retry(run, task="raed")
        with pytest.raises(NotFoundError, match="no run"):
            await hand.retry("run_of_others")
        with pytest.raises(NotFoundError, match="no run"):
            await hand.store.retry(Team(id="team_2", name="others"), run, RetryRequest(), by=hand.by)

    async def test_a_retry_keeps_the_version_unless_the_newest_is_asked_for(self, world: World, hand: Hand) -> None:
        run = await world.run(program("read", retries=0))
        (read,) = await world.claim()
        await world.end(read, EndingKind.FAILED)
        other = await world.run(program("read", retries=5, needs={"labels": {"zone": "south"}}))
        await world.runs.cancel(TEAM, other, reason="only its version is wanted", by=hand.by)

        done = await hand.retry(run)
        assert done.version == 1
        (read,) = await world.claim()
        await world.end(read, EndingKind.FAILED)

        assert (await hand.retry(run, latest=True)).version == 2
        assert await world.claim() == []
        (read,) = await world.claim(SOUTH)
        assert read.entry.retries == 5

    async def test_a_version_with_other_tasks_is_refused(self, world: World, hand: Hand) -> None:
        run = await world.run(program("read"))
        (read,) = await world.claim()
        await world.end(read, EndingKind.FAILED)
        await world.run(program("load"))

        with pytest.raises(ConflictError, match=r"version 2 has other tasks .without read; with load"):
            await hand.retry(run, latest=True)

    async def test_marking_what_failed_lets_what_never_ran_run(self, world: World, hand: Hand) -> None:
        run = await self._failed(world)

        done = await hand.mark(run, "send", "success")

        assert {one.task: one.state for one in done.changed} == {"send": "success", "note": "queued"}
        (note,) = await world.claim()
        await world.end(note)
        assert (await world.look(run)).state == "success"
        await require_counters_as_recounted(world, run)

    async def test_marking_what_waits_has_the_effect_of_its_ending(self, world: World, hand: Hand) -> None:
        run = await world.run(program("read"), program("send", "read"), program("note", "send"))

        await hand.mark(run, "send", "skipped")

        assert await world.states(run) == {"read": "queued", "send": "skipped", "note": "skipped"}
        await require_counters_as_recounted(world, run)
        await hand.mark(run, "read", "failed")
        assert (await world.look(run)).state == "success", "its only leaf was skipped"

    async def test_marking_what_runs_ends_its_attempt_and_its_agent_has_lost_the_lease(
        self, world: World, hand: Hand
    ) -> None:
        run = await world.run(program("read"), program("send", "read"))
        (read,) = await world.claim()

        await hand.mark(run, "read", "success")

        assert await world.states(run) == {"read": "success", "send": "queued"}
        (renewed,) = await world.leases.renew(NORTH, [HeldLease(attempt=read.attempt)], now=world.now)
        assert renewed.renewal.verdict == "lost"
        assert await world.end(read, EndingKind.FAILED) in {"stale", "duplicate"}
        assert (await world.states(run))["read"] == "success"

    async def test_marking_as_it_is_already_is_refused(self, world: World, hand: Hand) -> None:
        run = await self._failed(world)

        with pytest.raises(ConflictError, match="send is failed already"):
            await hand.mark(run, "send", "failed")

    async def test_one_cancelled_task_fails_what_needs_it_and_the_rest_goes_on(self, world: World, hand: Hand) -> None:
        run = await world.run(program("read"), program("send", "read"), program("other"))

        await hand.cancel(run, "read")

        assert await world.states(run) == {"read": "cancelled", "send": "upstream_failed", "other": "queued"}
        (other,) = await world.claim()
        await hand.cancel(run, "other")
        assert (await world.states(run))["other"] == "running", "until its processes are gone"
        assert [reason for _, reason in await world.leases.cancellations(NORTH.agent_id)] == ["enough"]
        await world.end(other, EndingKind.CANCELLED)
        assert (await world.states(run))["other"] == "cancelled"
        with pytest.raises(ConflictError, match="has ended"):
            await hand.cancel(run, "other")

    async def test_a_priority_reorders_what_is_queued(self, world: World, hand: Hand) -> None:
        await world.run(program("early"), dag="first")
        run = await world.run(program("late"), program("later", "late"), dag="second")

        done = await hand.priority(run, 50)

        assert [one.task for one in done.changed] == ["late", "later"]
        (claimed,) = await world.claim()
        assert claimed.entry.id == "late"
        with pytest.raises(ConflictError, match="nothing of it waits"):
            await hand.priority(run, 1, task="late")

    async def test_a_cancelled_run_can_be_taken_up_again(self, world: World, hand: Hand) -> None:
        run = await world.run(program("read"), program("send", "read"))
        await world.runs.cancel(TEAM, run, reason="wrong day", by=hand.by)

        await hand.retry(run)

        for _ in range(2):
            (claimed,) = await world.claim()
            await world.end(claimed)
        assert (await world.look(run)).state == "success"

    async def test_every_operation_leaves_a_row_in_the_audit_trail(self, world: World, hand: Hand) -> None:
        run = await self._failed(world)
        await hand.retry(run)
        await hand.priority(run, 3)
        await hand.mark(run, "send", "success")
        await hand.cancel(run, "note")

        query = text("SELECT action FROM audit WHERE object = :run ORDER BY id")
        actions = await world.database.read(lambda c: c.execute(query, {"run": run}).scalars().all())
        assert actions == ["run.triggered", "run.retried", "run.priority_set", "task.marked", "task.cancelled"]
