"""The writer combines what waits, and everybody gets an answer of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
import sqlalchemy
from sqlalchemy import text

from leasehold_api.errors import UnavailableError
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage.database import Database
from leasehold_api.storage.tables import used_jtis
from leasehold_api.storage.writer import Transaction
from tests.support.databases import open_database


def insert(jti: str) -> object:
    """Return an operation that inserts a row and answers with its name."""

    def operation(tx: Transaction) -> str:
        tx.run(used_jtis.insert().values(jti=jti, expires_at=1.0))
        tx.signal(Signal(Topic.RUN, jti))
        return jti

    return operation


class WriterContract:
    """Inherited once per database."""

    kind: str

    @pytest.fixture
    def database(self) -> Iterator[Database]:
        with open_database(self.kind) as (database, published):
            self.published = published
            yield database

    async def hold(self, database: Database) -> threading.Event:
        """Keep the writer busy until the event is set, so that what follows has to wait."""
        busy, go = threading.Event(), threading.Event()

        def operation(_tx: Transaction) -> None:
            busy.set()
            go.wait(10)

        self.held = database.submit(operation)
        await asyncio.to_thread(busy.wait, 10)
        return go

    async def stored(self, database: Database) -> set[str]:
        return set(await database.read(lambda c: c.execute(text("SELECT jti FROM used_jtis")).scalars().all()))

    async def test_each_caller_gets_its_own_answer(self, database: Database) -> None:
        answers = await asyncio.gather(*(database.write(insert(f"jti-{n}")) for n in range(100)))

        assert answers == [f"jti-{n}" for n in range(100)]
        assert len(await self.stored(database)) == 100

    async def test_writes_that_wait_share_one_commit(self, database: Database) -> None:
        commits: list[object] = []
        sqlalchemy.event.listen(database.engine, "commit", commits.append)
        go = await self.hold(database)

        waiting = [database.submit(insert(f"jti-{n}")) for n in range(50)]
        go.set()
        await asyncio.gather(self.held, *waiting)

        assert len(commits) == 2

    async def test_a_write_that_fails_takes_none_of_its_neighbours_with_it(self, database: Database) -> None:
        go = await self.hold(database)
        waiting = [database.submit(insert(jti)) for jti in ("a", "b", "a", "c")]
        go.set()

        answers = await asyncio.gather(*waiting, return_exceptions=True)

        assert [answer if isinstance(answer, str) else type(answer).__name__ for answer in answers] == [
            "a",
            "b",
            "IntegrityError",
            "c",
        ]
        assert await self.stored(database) == {"a", "b", "c"}

    async def test_what_a_failing_write_did_before_is_rolled_back_with_its_signals(self, database: Database) -> None:
        go = await self.hold(database)

        def half(tx: Transaction) -> None:
            insert("half")(tx)
            raise KeyError("half-way")

        waiting = [database.submit(half), database.submit(insert("whole"))]
        go.set()
        results = await asyncio.gather(*waiting, return_exceptions=True)

        assert isinstance(results[0], KeyError)
        assert await self.stored(database) == {"whole"}
        assert self.published == [Signal(Topic.RUN, "whole")]

    async def test_a_caller_that_gives_up_while_waiting_takes_its_write_back(self, database: Database) -> None:
        go = await self.hold(database)
        given_up = database.submit(insert("given-up"))
        kept = database.submit(insert("kept"))

        given_up.cancel()
        await asyncio.sleep(0)  # one turn of the loop: it hands the cancellation on
        go.set()
        await kept

        assert await self.stored(database) == {"kept"}

    async def test_signals_are_published_when_the_write_can_be_read(self, database: Database) -> None:
        seen: list[bool] = []
        loop = asyncio.get_running_loop()
        told = asyncio.Event()

        def publish(signals: list[Signal]) -> None:
            with database.engine.connect() as connection:
                seen.append(connection.execute(text("SELECT count(*) FROM used_jtis")).scalar_one() == 1)
            told.set()

        database.publish = publish
        database.bind(loop)
        await database.write(insert("a"))
        await asyncio.wait_for(told.wait(), 10)

        assert seen == [True]

    async def test_after_closing_writes_are_refused_and_earlier_ones_are_finished(self, database: Database) -> None:
        go = await self.hold(database)
        waiting = database.submit(insert("a"))
        go.set()
        await asyncio.to_thread(database.close)

        assert await waiting == "a"
        with pytest.raises(UnavailableError):
            await database.write(insert("b"))


class TestOnSqlite(WriterContract):
    kind = "sqlite"

    async def test_what_is_committed_survives_a_power_cut(self, database: Database) -> None:
        settings = await database.read(
            lambda c: [
                c.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous", "foreign_keys")
            ]
        )

        assert settings == ["wal", 2, 1]


class TestOnPostgresql(WriterContract):
    kind = "postgresql"

    async def test_losing_the_connection_is_survived(self, database: Database) -> None:
        await database.write(insert("before"))

        def kill_the_others(connection: sqlalchemy.Connection) -> None:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

        await database.read(kill_the_others)
        await database.write(insert("after"))

        assert await self.stored(database) == {"before", "after"}
