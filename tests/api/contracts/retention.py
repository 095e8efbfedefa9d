"""What every store of old runs promises: they go whole, in parts, and nothing that is needed goes with them."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy import insert, text, update

from leasehold_api.acting import By, Team
from leasehold_api.errors import ConflictError, InvalidRequestError, NotFoundError
from leasehold_api.objects.blobs import DirectoryBlobs
from leasehold_api.objects.logs import DirectoryLogs
from leasehold_api.runs import retention
from leasehold_api.runs.retention import BLOBS_STAY_S, DAY_S, Retention
from leasehold_api.runs.thinning import KeptApart, Thinner
from leasehold_api.storage.sql_retention import SqlRetention
from leasehold_api.storage.sql_thinning import SqlThinning
from leasehold_api.storage.tables import dags, xcom_files, xcoms
from leasehold_protocol.v1.leases import EndingKind
from leasehold_protocol.v1.retention import PruneRequest
from tests.support.databases import open_database
from tests.support.world import TEAM, World, program

OURS = Team(id=TEAM, name="default")
LARGE = b"a large result"
SHA256 = hashlib.sha256(LARGE).hexdigest()


class RetentionContract:
    """Inherited once per database."""

    kind: str

    @pytest.fixture
    async def world(self, tmp_path: Path) -> AsyncIterator[World]:
        with open_database(self.kind) as (database, _published):
            world = await World(database).settle()
            self.store = SqlRetention(database)
            self.logs = DirectoryLogs(tmp_path / "logs")
            self.blobs = DirectoryBlobs(tmp_path / "blobs")
            yield world

    def keeper(self, world: World, *, days: float | None = None) -> Retention:
        return Retention(
            self.store,
            AsyncIOScheduler(),
            logs=self.logs,
            blobs_of=lambda _team: self.blobs,
            server_days=days,
            thinner=Thinner(SqlThinning(world.database), logs=self.logs, kept=KeptApart(), clock=lambda: world.now),
            clock=lambda: world.now,
        )

    def by(self, world: World) -> By:
        return By(actor="tester", at=world.now)

    async def ended(self, world: World, dag: str = "report") -> str:
        run = await world.run(program("read"), program("send", "read"), dag=dag)
        (read,) = await world.claim()
        await self.logs.append(read.attempt, 0, b"line\n")
        await world.end(read, EndingKind.FAILED)
        return run

    async def rows_of(self, world: World, run: str) -> dict[str, int]:
        prefix = f"ti{run.removeprefix('run')}_%"
        counts = {
            "runs": "SELECT count(*) FROM runs WHERE id = :run",
            "task_instances": "SELECT count(*) FROM task_instances WHERE run_id = :run",
            "attempts": "SELECT count(*) FROM attempts WHERE task_instance_id LIKE :prefix",
            "xcoms": "SELECT count(*) FROM xcoms WHERE task_instance_id LIKE :prefix",
        }

        def query(c: Any) -> dict[str, int]:
            return {name: c.execute(text(sql), {"run": run, "prefix": prefix}).scalar() for name, sql in counts.items()}

        return await world.database.read(query)

    async def test_a_deleted_run_is_seen_by_nobody_at_once_and_its_rows_and_logs_go_after(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "MOST_INSTANCES", 1)
        run, other = await self.ended(world), await self.ended(world)
        attempt = (await world.task(run, "read")).attempts[0].attempt

        await self.store.delete(OURS, run, by=self.by(world))

        with pytest.raises(NotFoundError):
            await world.look(run)
        await self.keeper(world).sweep()
        assert set((await self.rows_of(world, run)).values()) == {0}
        assert await self.logs.size(attempt) == 0
        assert (await self.rows_of(world, other))["task_instances"] == 2

    async def test_what_has_not_ended_is_not_deleted(self, world: World) -> None:
        run = await world.run(program("read"))

        with pytest.raises(ConflictError, match=f"leasehold runs cancel {run}"):
            await self.store.delete(OURS, run, by=self.by(world))
        with pytest.raises(NotFoundError):
            await self.store.delete(Team(id="team_2", name="others"), run, by=self.by(world))

    async def test_the_policy_deletes_what_is_older_and_keeps_the_newest(self, world: World) -> None:
        first, second = await self.ended(world), await self.ended(world)
        world.now += 40 * DAY_S
        third = await self.ended(world)
        world.now += DAY_S

        await self.keeper(world, days=30).sweep()

        left = [one for one in (first, second, third) if (await self.rows_of(world, one))["runs"]]
        assert left == [third]
        world.now += 400 * DAY_S
        await self.keeper(world, days=30).sweep()
        assert (await self.rows_of(world, third))["runs"] == 1, "the newest stays"

    async def test_a_dag_may_ask_for_less_and_without_a_policy_all_stays(self, world: World) -> None:
        old, _newest = await self.ended(world), await self.ended(world)
        world.now += 10 * DAY_S
        await self.keeper(world).sweep()
        assert (await self.rows_of(world, old))["runs"] == 1

        await world.database.write(lambda tx: tx.run(update(dags).values(retention_days=5.0)).close())
        await self.keeper(world, days=365).sweep()

        assert (await self.rows_of(world, old))["runs"] == 0

    async def test_a_dry_run_says_what_would_go_and_deletes_nothing(self, world: World) -> None:
        old, _newest = await self.ended(world), await self.ended(world)
        world.now += 10 * DAY_S
        asked = PruneRequest(older_than_days=5)

        told = await self.store.prune(OURS, asked, server_days=None, by=self.by(world))

        assert [(each.dag, each.runs) for each in told.items] == [("report", 1)]
        assert (await world.look(old)).run == old
        done = await self.store.prune(
            OURS, asked.model_copy(update={"dry_run": False}), server_days=None, by=self.by(world)
        )
        assert done.items == told.items
        with pytest.raises(NotFoundError):
            await world.look(old)

    async def test_without_any_age_pruning_asks_for_one(self, world: World) -> None:
        await self.ended(world)

        with pytest.raises(InvalidRequestError, match="--older-than 90d"):
            await self.store.prune(OURS, PruneRequest(), server_days=None, by=self.by(world))
        with pytest.raises(NotFoundError, match="no DAG 'reprot'"):
            await self.store.prune(OURS, PruneRequest(dag="reprot"), server_days=1, by=self.by(world))

    async def test_a_blob_goes_when_nothing_names_it_and_nobody_asked_for_it_lately(self, world: World) -> None:
        async def content() -> AsyncIterator[bytes]:
            yield LARGE

        first, second = await self.ended(world), await self.ended(world)
        await self.blobs.put(SHA256, content(), most_bytes=100)
        large = {"key": "return_value", "epoch": 1, "size": len(LARGE)}
        named = {"key": "file", "epoch": 1, "size": len(LARGE), "sha256": SHA256}

        def name_it(tx: Any) -> None:
            tx.run(insert(xcoms), [{**large, "task_instance_id": f"ti{first.removeprefix('run')}_0", "object": SHA256}])
            tx.run(insert(xcom_files), [{**named, "task_instance_id": f"ti{second.removeprefix('run')}_0"}])

        await world.database.write(name_it)
        await self.store.delete(OURS, first, by=self.by(world))
        await self.keeper(world).sweep()
        world.now = self.blobs.path(SHA256).stat().st_mtime + BLOBS_STAY_S + 60
        await self.keeper(world).sweep()
        assert await self.blobs.has(SHA256), "the other run's value names it"

        await self.store.delete(OURS, second, by=self.by(world))
        await self.keeper(world).sweep()
        assert self.blobs.path(SHA256).exists(), "not yet: an attempt on its way may name it"
        world.now += 2 * BLOBS_STAY_S
        await self.keeper(world).sweep()
        assert not self.blobs.path(SHA256).exists()
