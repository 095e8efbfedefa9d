"""What the audit trail promises on every database: one chain, and rows that nobody changes or removes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from leasehold_api.audit.chain import GENESIS, Break, Verdict, walk
from leasehold_api.audit.trail import Refusal, Wanted
from leasehold_api.storage import sql_audit
from leasehold_api.storage.database import Database, make_engine
from leasehold_api.storage.migrate import migrate
from leasehold_api.storage.sql_trail import SqlTrail, chain_of
from tests.support.databases import FRESH

NOON = 1_800_000_000.123456
WRITERS = 50
ROWS_EACH = 4

TAMPERING = {
    "a word": ("UPDATE audit SET action = 'nothing.happened' WHERE seq = 3", 3, Break.CHANGED),
    "the address": ("UPDATE audit SET address = '203.0.113.9' WHERE seq = 3", 3, Break.CHANGED),
    "the time": ("UPDATE audit SET at = at + 1 WHERE seq = 3", 3, Break.CHANGED),
    "the detail": ("UPDATE audit SET detail = '{' WHERE seq = 3", 3, Break.CHANGED),
    "the team": ("UPDATE audit SET team_id = 'team_9' WHERE seq = 3", 3, Break.CHANGED),
    "a hash": (f"UPDATE audit SET hash = '{GENESIS}' WHERE seq = 3", 3, Break.CHANGED),
    "a row is gone": ("DELETE FROM audit WHERE seq = 3", 3, Break.REMOVED),
    "the first is gone": ("DELETE FROM audit WHERE seq = 1", 1, Break.REMOVED),
    "a row moved to the end": ("UPDATE audit SET seq = 99 WHERE seq = 3", 3, Break.REMOVED),
    "its neighbour stands in its place": (
        "DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4",
        3,
        Break.CHANGED,
    ),
}


def publish_nothing(_signals: object) -> None:
    """Stand in for the house: nobody listens."""


class AuditTrailContract:
    """Inherited with a ``kind`` of database."""

    kind: str

    @pytest.fixture
    def url(self) -> Iterator[str]:
        with FRESH[self.kind]() as url:
            engine = make_engine(url)
            migrate(engine)
            engine.dispose()
            yield url

    @pytest.fixture
    def two(self, url: str) -> Iterator[list[Database]]:
        """Return the database as two API processes have it."""
        databases = [Database(make_engine(url), publish=publish_nothing) for _ in range(2)]
        yield databases
        for database in databases:
            database.close()

    @pytest.fixture
    def tampering(self, url: str) -> Iterator[Engine]:
        """Return the database as its administrator may have it: without triggers."""
        driver = url.replace("postgresql://", "postgresql+psycopg://")
        engine = create_engine(driver)
        yield engine
        engine.dispose()

    async def add(self, database: Database, name: str) -> None:
        """Record something that was done."""
        await database.write(
            lambda tx: sql_audit.record(
                tx, at=NOON, actor="token:ci", action="site.changed", object=name, detail={"ö": [1, 2.5, None]}
            )
        )

    async def five(self, database: Database) -> None:
        """Make a chain of five rows."""
        for number in range(5):
            await self.add(database, f"site-{number}")
        await SqlTrail(database).seal()

    def walked(self, database: Database, **wanted: str) -> Verdict:
        """Walk along the chain."""
        return walk(chain_of(database.engine), **wanted)  # type: ignore[arg-type]  # only ``noted`` is ever passed

    def tamper(self, engine: Engine, statement: str) -> None:
        """Do what only the database's administrator can."""
        with engine.begin() as connection:
            names = ["audit_is_not_changed", "audit_is_not_removed"]
            for name in names:
                connection.execute(text(f"DROP TRIGGER {name}" + (" ON audit" if self.kind == "postgresql" else "")))
            for each in statement.split(";"):
                connection.execute(text(each))

    async def test_fifty_writers_and_two_sealers_make_one_chain(self, two: list[Database]) -> None:
        done = asyncio.Event()

        async def write(number: int) -> None:
            for turn in range(ROWS_EACH):
                await self.add(two[number % 2], f"{number}-{turn}")

        async def seal(database: Database) -> None:
            trail = SqlTrail(database)
            while not done.is_set():
                await trail.seal()

        sealers = [asyncio.create_task(seal(database)) for database in two]
        await asyncio.gather(*(write(number) for number in range(WRITERS)))
        done.set()
        await asyncio.gather(*sealers)
        while await SqlTrail(two[0]).seal():
            pass

        rows = await SqlTrail(two[1]).rows(Wanted(), after=0, limit=1000)
        assert [row.seq for row in rows] == list(range(1, WRITERS * ROWS_EACH + 1))
        assert len({row.previous_hash for row in rows}) == len(rows)
        assert {row.object for row in rows} == {f"{n}-{turn}" for n in range(WRITERS) for turn in range(ROWS_EACH)}
        assert self.walked(two[0]).broken is None

    async def test_a_chain_that_nobody_touched_holds_and_names_its_head(self, two: list[Database]) -> None:
        await self.five(two[0])

        verdict = self.walked(two[0])

        newest = (await SqlTrail(two[0]).rows(Wanted(), after=4, limit=9))[0]
        assert verdict == Verdict(rows=5, head_seq=5, head_hash=newest.hash, broken=None)
        assert self.walked(two[0], noted=newest.previous_hash).broken is None

    @pytest.mark.parametrize("what", TAMPERING)
    async def test_tampering_is_found_and_the_first_row_named(
        self, two: list[Database], tampering: Engine, what: str
    ) -> None:
        statement, seq, kind = TAMPERING[what]
        await self.five(two[0])

        self.tamper(tampering, statement)

        broken = self.walked(two[0]).broken
        assert broken is not None
        assert (broken.seq, broken.kind) == (seq, kind)

    async def test_a_chain_cut_at_its_end_is_found_by_the_head_noted_earlier(
        self, two: list[Database], tampering: Engine
    ) -> None:
        await self.five(two[0])
        noted = self.walked(two[0]).head_hash

        self.tamper(tampering, "DELETE FROM audit WHERE seq = 5")

        assert self.walked(two[0]).broken is None
        broken = self.walked(two[0], noted=noted).broken
        assert broken is not None
        assert (broken.seq, broken.kind) == (5, Break.CUT)

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE audit SET actor = 'token:somebody-else'",
            "UPDATE audit SET seq = NULL",
            f"UPDATE audit SET hash = '{GENESIS}'",
            "DELETE FROM audit",
            "TRUNCATE audit",
        ],
    )
    @pytest.mark.parametrize("is_sealed", [True, False])
    async def test_the_database_refuses_to_change_or_remove_rows(
        self, two: list[Database], tampering: Engine, statement: str, is_sealed: bool
    ) -> None:
        if statement.startswith("TRUNCATE") and self.kind == "sqlite":
            return
        await self.add(two[0], "north")
        if is_sealed:
            await SqlTrail(two[0]).seal()
        elif "hash" in statement or "seq" in statement:
            return

        with pytest.raises(DBAPIError, match="append-only"), tampering.begin() as connection:
            connection.execute(text(statement))

    async def test_a_row_whose_transaction_fails_is_not_there(self, two: list[Database]) -> None:
        def operation(tx: object) -> None:
            sql_audit.record(tx, at=NOON, actor="token:ci", action="site.created", object="north")  # type: ignore[arg-type]
            raise ZeroDivisionError

        with suppress(ZeroDivisionError):
            await two[0].write(operation)
        await SqlTrail(two[0]).seal()

        assert self.walked(two[0]).rows == 0

    async def test_a_pasted_secret_is_cut_out(self, two: list[Database]) -> None:
        secret = "lht_0123456789ab." + "s" * 43
        jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
        refusal = Refusal(
            at=NOON,
            actor=None,
            action="request.refused",
            object=f"/v1/teams/default/api-tokens/{secret}",
            address="192.0.2.1",
            detail={"because": f"{secret} and {jwt}"},
        )

        await SqlTrail(two[0]).refused(refusal)
        await SqlTrail(two[0]).seal()

        row = (await SqlTrail(two[0]).rows(Wanted(), after=0, limit=1))[0]
        assert row.object == "/v1/teams/default/api-tokens/lht_0123456789ab.***"
        assert row.detail == {"because": "lht_0123456789ab.*** and ***"}
