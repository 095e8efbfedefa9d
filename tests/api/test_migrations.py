"""The schema: made by migrations as the tables say, on both databases; a newer one is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from leasehold_api.storage.database import make_engine
from leasehold_api.storage.migrate import NewerDatabaseError, migrate
from leasehold_api.storage.tables import metadata
from tests.support.databases import FRESH


@pytest.fixture(params=sorted(FRESH))
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with FRESH[request.param]() as url:
        engine = make_engine(url)
        yield engine
        engine.dispose()


def test_migrations_make_what_the_tables_say(engine: Engine) -> None:
    migrate(engine)

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, metadata) == []


def test_partial_indexes_are_partial(engine: Engine) -> None:
    migrate(engine)

    indexes = {index["name"]: index for index in inspect(engine).get_indexes("task_instances")}

    assert indexes["ix_task_instances_claim"]["dialect_options"], "it would grow with history"


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    first = migrate(engine)

    assert migrate(engine) == (first[1], first[1])


async def test_processes_that_start_together_migrate_once(engine: Engine) -> None:
    results = await asyncio.gather(*(asyncio.to_thread(migrate, engine) for _ in range(3)))

    assert sorted(before is None for before, _ in results) == [False, False, True]


def test_a_database_of_a_newer_version_is_refused_and_left_alone(engine: Engine) -> None:
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'from_the_future'"))

    with pytest.raises(NewerDatabaseError, match="newer"):
        migrate(engine)

    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "from_the_future"


def test_an_unknown_kind_of_database_is_named() -> None:
    with pytest.raises(ValueError, match="mysql"):
        make_engine("mysql://localhost/leasehold")


def test_the_directory_of_an_sqlite_file_is_made(tmp_path: Path) -> None:
    migrate(make_engine(f"sqlite:///{tmp_path / 'new' / 'leasehold.db'}"))

    assert (tmp_path / "new" / "leasehold.db").exists()
