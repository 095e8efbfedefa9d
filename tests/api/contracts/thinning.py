"""What every store of thinned runs promises: logs, XComs and metrics go before their run, and it says that they did."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy import insert, select

from leasehold_api.acting import By, Team
from leasehold_api.callers import TaskCaller
from leasehold_api.errors import ConflictError, InvalidRequestError, NotFoundError
from leasehold_api.objects.blobs import DirectoryBlobs
from leasehold_api.objects.logs import DirectoryLogs
from leasehold_api.runs import thinning
from leasehold_api.runs.retention import Retention
from leasehold_api.runs.thinning import DAY_S, Batch, KeptApart, Thinner
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_operations import SqlRunOperations
from leasehold_api.storage.sql_retention import SqlRetention
from leasehold_api.storage.sql_thinning import SqlThinning
from leasehold_api.storage.sql_xcoms import SqlXComs
from leasehold_api.storage.tables import audit, unneeded_blobs, xcom_files
from leasehold_api.telemetry.delivery import Delivery
from leasehold_api.telemetry.xcoms import Wanted
from leasehold_protocol.v1.leases import EndingKind
from leasehold_protocol.v1.operations import RetryRequest
from leasehold_protocol.v1.retention import PruneRequest, Thinned
from leasehold_protocol.v1.telemetry import MetricPoint
from tests.support.databases import open_database
from tests.support.world import NORTH, TEAM, World, program

OURS = Team(id=TEAM, name="default")
ALL = KeptApart(logs=14, xcoms=30, metrics=30)
SHA256 = hashlib.sha256(b"a file").hexdigest()


class TheProcessDiesError(Exception):
    """Where a test lets the API die."""


class DyingStore(SqlThinning):
    """Dies before the watermark moves."""

    async def pass_by(self, batch: Batch, *, now: float) -> None:
        raise TheProcessDiesError


class DyingLogs(DirectoryLogs):
    """Dies when a log is gone, before the rows say so."""

    async def clear(self, attempt: str) -> None:
        await super().clear(attempt)
        raise TheProcessDiesError


class ThinningContract:
    """Inherited once per database."""

    kind: str

    @pytest.fixture
    async def world(self, tmp_path: Path) -> AsyncIterator[World]:
        with open_database(self.kind) as (database, _published):
            world = await World(database).settle()
            self.store = SqlThinning(database)
            self.logs = DirectoryLogs(tmp_path / "logs")
            self.hand = SqlRunOperations(database, Plans())
            self.tmp_path = tmp_path
            yield world

    def thinner(self, world: World, kept: KeptApart = ALL, *, store: Any = None, logs: Any = None) -> Thinner:
        return Thinner(store or self.store, logs=logs or self.logs, kept=kept, clock=lambda: world.now)

    async def thin(self, world: World, kept: KeptApart = ALL, **parts: Any) -> None:
        await self.thinner(world, kept, **parts).thin(may_go_on=lambda: True)

    async def ended(self, world: World, *, send: EndingKind = EndingKind.FAILED) -> str:
        """Make a run whose first task left all there is to leave, and whose second failed, or did not."""
        run = await world.run(program("read"), program("send", "read"))
        await self.work(world)
        await self.work(world, send)
        return run

    async def work(self, world: World, kind: EndingKind = EndingKind.SUCCESS) -> str:
        (claimed,) = await world.claim()
        size = await self.logs.append(claimed.attempt, 0, b"line\n")
        points = [MetricPoint(seq=1, at=datetime.fromtimestamp(world.now, UTC), name="rows", kind="gauge", value=3.0)]
        await world.attempts.put_metrics(NORTH.agent_id, claimed.attempt, points)
        await world.end(claimed, kind, result=7)
        await world.attempts.note_logs({claimed.attempt: size})
        return claimed.attempt

    async def left(self, world: World, run: str) -> dict[str, int]:
        """Return how many logs, XComs and metrics of a run are left."""
        tasks = (await world.look(run)).tasks
        attempts = [each.attempt for task in tasks for each in task.attempts]
        return {
            "logs": sum([await self.logs.size(attempt) > 0 for attempt in attempts]),
            "xcoms": len((await world.runs.xcoms(TEAM, run)).items),
            "metrics": len((await world.runs.metrics(TEAM, run)).items),
        }

    async def audited(self, world: World) -> list[Any]:
        query = select(audit).where(audit.c.action == "runs.thinned").order_by(audit.c.at)
        return list(await world.database.read(lambda c: c.execute(query).all()))

    def reader(self, run: str, attempt: str) -> TaskCaller:
        instance, _, epoch = attempt.rpartition(".")
        return TaskCaller(
            agent_id=NORTH.agent_id,
            team_id=TEAM,
            team="default",
            site_id=NORTH.site_id,
            attempt=attempt,
            task_instance=instance,
            epoch=int(epoch),
            dag="report",
            run=run,
            task="read",
            scopes=frozenset(),
            address=None,
        )

    async def test_each_goes_after_its_own_time_and_the_newest_run_stays_whole(self, world: World) -> None:
        old, newest = await self.ended(world), await self.ended(world)
        whole = {"logs": 2, "xcoms": 1, "metrics": 2}
        await self.thin(world)
        assert await self.left(world, old) == whole

        world.now += 20 * DAY_S
        await self.thin(world)
        assert await self.left(world, old) == whole | {"logs": 0}

        world.now += 20 * DAY_S
        await self.thin(world)
        assert await self.left(world, old) == {"logs": 0, "xcoms": 0, "metrics": 0}
        assert await self.left(world, newest) == whole
        assert (await world.look(old)).state == "failed", "the run itself stays"

    async def test_a_thinned_run_says_what_is_gone_and_since_when(self, world: World) -> None:
        old, newest = await self.ended(world), await self.ended(world)
        world.now += 40 * DAY_S

        await self.thin(world)

        then = datetime.fromtimestamp(world.now, UTC)
        seen, kept = await world.look(old), await world.look(newest)
        assert (seen.xcoms_deleted_at, seen.metrics_deleted_at) == (then, then)
        assert (kept.xcoms_deleted_at, kept.metrics_deleted_at) == (None, None)
        assert (await world.runs.xcoms(TEAM, old)).deleted_at == then
        assert (await world.runs.metrics(TEAM, old)).deleted_at == then
        attempts = [each for task in seen.tasks for each in task.attempts]
        assert [each.log_deleted_at for each in attempts] == [then, then]
        state = await world.attempts.log_state(TEAM, attempts[0].attempt)
        assert state.deleted_at == world.now

    async def test_what_was_thinned_is_not_looked_at_again(self, world: World) -> None:
        await self.ended(world)
        await self.ended(world)
        world.now += 40 * DAY_S
        before = world.now - 14 * DAY_S
        assert await self.store.due(Thinned.LOGS, ended_before=before) == ["dag_report"]

        await self.thin(world)

        assert await self.store.due(Thinned.LOGS, ended_before=before) == []
        rows = [(row.object, row.actor) for row in await self.audited(world)]
        assert rows == [("report", "service:retention")] * 3
        await self.thin(world)
        assert len(await self.audited(world)) == 3

    async def test_large_runs_and_many_runs_go_in_parts(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(thinning, "MOST_INSTANCES", 3)
        monkeypatch.setattr(thinning, "MOST_RUNS", 2)
        runs = [await self.ended(world) for _ in range(6)]  # they end at the same moment
        world.now += 40 * DAY_S

        await self.thin(world)

        left = [sum((await self.left(world, run)).values()) for run in runs]
        assert left == [0, 0, 0, 0, 0, 5]
        assert len(await self.audited(world)) == 9, "three parts of each of the three"

    @pytest.mark.parametrize("dies", ["between the logs and the rows", "before the watermark"])
    async def test_after_a_crash_the_next_round_goes_on(self, world: World, dies: str) -> None:
        old, _newest = await self.ended(world), await self.ended(world)
        world.now += 40 * DAY_S
        parts: dict[str, Any] = (
            {"logs": DyingLogs(self.tmp_path / "logs")}
            if dies == "between the logs and the rows"
            else {"store": DyingStore(world.database)}
        )

        with pytest.raises(TheProcessDiesError):
            await self.thin(world, **parts)
        await self.thin(world)

        seen = await world.look(old)
        assert all(each.log_deleted_at for task in seen.tasks for each in task.attempts)
        assert await self.left(world, old) == {"logs": 0, "xcoms": 0, "metrics": 0}
        assert len(await self.audited(world)) == 3

    async def test_two_processes_at_once_leave_one_trace(self, world: World) -> None:
        old, _newest = await self.ended(world), await self.ended(world)
        world.now += 40 * DAY_S
        batch = await self.store.next_batch("dag_report", Thinned.XCOMS, ended_before=world.now, most=9)
        assert batch is not None

        await self.thin(world)
        await self.store.pass_by(batch, now=world.now)

        assert await self.left(world, old) == {"logs": 0, "xcoms": 0, "metrics": 0}
        assert len(await self.audited(world)) == 3

    async def test_a_run_that_was_opened_meanwhile_is_spared_and_comes_again_when_it_has_ended(
        self, world: World
    ) -> None:
        old, _newest = await self.ended(world), await self.ended(world)
        world.now += 40 * DAY_S
        batch = await self.store.next_batch("dag_report", Thinned.XCOMS, ended_before=world.now, most=9)
        assert batch is not None
        piece = await self.store.next_piece(batch, after=thinning.Place(), most=9)
        assert piece is not None

        await self.hand.retry(OURS, old, RetryRequest(), by=By(actor="tester", at=world.now))
        await self.store.thin(batch, piece, now=world.now)
        await self.store.pass_by(batch, now=world.now)

        assert (await self.left(world, old))["xcoms"] == 1
        logs = dataclasses.replace(batch, what=Thinned.LOGS)
        spared = await self.store.next_piece(logs, after=thinning.Place(), most=9)
        assert spared is not None
        assert spared.attempts == [], "one of them may be writing"
        await self.work(world)
        await self.ended(world)
        world.now += 40 * DAY_S
        await self.thin(world)
        assert await self.left(world, old) == {"logs": 0, "xcoms": 0, "metrics": 0}

    async def test_a_retry_that_needs_a_deleted_result_is_refused_and_one_that_makes_it_again_is_not(
        self, world: World
    ) -> None:
        old, _newest = await self.ended(world), await self.ended(world)
        world.now += 40 * DAY_S
        await self.thin(world)
        by = By(actor="tester", at=world.now)

        with pytest.raises(ConflictError, match=f"leasehold runs retry {old} --task read"):
            await self.hand.retry(OURS, old, RetryRequest(), by=by)
        await self.hand.retry(OURS, old, RetryRequest(task="read"), by=by)

        await self.work(world)
        assert (await world.states(old))["send"] == "queued"
        await self.work(world)
        seen = await world.look(old)
        assert (seen.state, len((await world.runs.xcoms(TEAM, old)).items)) == ("success", 2)
        logs = [each.log_deleted_at is None for task in seen.tasks for each in task.attempts]
        assert sorted(logs) == [False, False, True, True], "what was written since is there"
        await self.hand.retry(OURS, old, RetryRequest(task="send"), by=by)

    async def test_who_reads_a_deleted_xcom_is_told_so(self, world: World) -> None:
        old = await self.ended(world)
        newest = await world.run(program("read"))
        (own,) = await world.claim()
        world.now += 40 * DAY_S
        await self.thin(world)
        reads, reader = SqlXComs(world.database), self.reader(newest, own.attempt)
        wanted = Wanted(task="read", key="return_value", run=old)

        with pytest.raises(NotFoundError, match=r"deleted by retention on .* give a default"):
            await reads.one(reader, wanted, map_index=-1, include_prior=False)
        with pytest.raises(NotFoundError, match="deleted by retention"):
            await reads.slice(reader, wanted, offset=0, limit=10)
        earlier = Wanted(task="read", key="return_value")
        with pytest.raises(NotFoundError, match=r"those of runs that ended up to .* were deleted by retention"):
            await reads.one(reader, earlier, map_index=-1, include_prior=True)
        with pytest.raises(NotFoundError, match=r"has no XCom 'rows'$"):
            await reads.one(reader, Wanted(task="other", key="rows", run=old), map_index=-1, include_prior=False)

    async def test_a_task_that_asks_for_a_deleted_result_without_naming_it_is_told_what_helps(
        self, world: World
    ) -> None:
        old = await world.run(program("read"), program("send", upstream=["read"]))
        await self.work(world)
        await self.work(world, EndingKind.FAILED)
        await self.ended(world)
        world.now += 40 * DAY_S
        await self.thin(world)
        await self.hand.retry(OURS, old, RetryRequest(), by=By(actor="tester", at=world.now))
        (own,) = await world.claim()
        reads, reader = SqlXComs(world.database), self.reader(old, own.attempt)

        with pytest.raises(NotFoundError, match=f"let it run again too: leasehold runs retry {old} --task read"):
            await reads.one(reader, Wanted(task="read", key="return_value"), map_index=-1, include_prior=False)

    async def test_a_log_that_comes_too_late_is_taken_in_and_not_kept(self, world: World) -> None:
        old, _newest = await self.ended(world), await self.ended(world)
        attempt = (await world.task(old, "read")).attempts[0].attempt
        world.now += 40 * DAY_S
        await self.thin(world)
        delivery = Delivery(
            leases=world.leases,
            attempts=world.attempts,
            logs=self.logs,
            blobs_of=lambda _team: DirectoryBlobs(self.tmp_path / "blobs"),
            log_grew=lambda _attempt: None,
            clock=lambda: world.now,
        )

        stands = await delivery.log(NORTH.agent_id, attempt, offset=0, data=b"late\n", length=5, sha256=None)

        assert stands.complete, "its agent need not keep it"
        assert await self.logs.size(attempt) == 0
        assert (await world.attempts.log_state(TEAM, attempt)).deleted_at is not None

    async def test_blobs_that_deleted_values_name_are_noted(self, world: World) -> None:
        old, _newest = await self.ended(world), await self.ended(world)
        named = {"key": "return_value", "sha256": SHA256, "epoch": 1, "size": 6}
        instance = (await world.task(old, "read")).task_instance
        await world.database.write(
            lambda tx: tx.run(insert(xcom_files), [{**named, "task_instance_id": instance}]).close()
        )
        world.now += 40 * DAY_S

        await self.thin(world)

        noted = await world.database.read(lambda c: c.execute(select(unneeded_blobs.c.sha256)).scalars().all())
        assert noted == [SHA256]

    async def test_the_outlook_says_what_goes_next_and_changes_nothing(self, world: World) -> None:
        old, _newest = await self.ended(world), await self.ended(world)
        world.now += 20 * DAY_S

        told = await self.store.outlook(OURS, None, ALL, now=world.now)

        assert [(each.dag, each.what, each.days, each.runs) for each in told] == [("report", Thinned.LOGS, 14, 1)]
        assert (await self.left(world, old))["logs"] == 2
        assert await self.store.outlook(Team(id="team_2", name="others"), None, ALL, now=world.now) == []
        with pytest.raises(NotFoundError, match="no DAG 'reprot'"):
            await self.store.outlook(OURS, "reprot", ALL, now=world.now)

    async def test_a_dry_run_needs_no_age_of_runs_where_they_are_thinned_and_pruning_does(self, world: World) -> None:
        await self.ended(world)
        store, by = SqlRetention(world.database), By(actor="tester", at=world.now)

        assert (await store.prune(OURS, PruneRequest(), server_days=None, by=by, thins=True)).items == []
        with pytest.raises(InvalidRequestError):
            await store.prune(OURS, PruneRequest(dry_run=False), server_days=None, by=by, thins=True)

    async def test_the_keeper_of_runs_thins_what_it_does_not_delete(self, world: World) -> None:
        old, _newest = await self.ended(world), await self.ended(world)
        world.now += 40 * DAY_S
        keeper = Retention(
            SqlRetention(world.database),
            AsyncIOScheduler(),
            logs=self.logs,
            blobs_of=lambda _team: DirectoryBlobs(self.tmp_path / "blobs"),
            server_days=365,
            thinner=self.thinner(world, KeptApart(logs=14)),
            clock=lambda: world.now,
        )

        await keeper.sweep()

        assert await self.left(world, old) == {"logs": 0, "xcoms": 1, "metrics": 2}
