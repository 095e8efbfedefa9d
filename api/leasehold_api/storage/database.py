"""The database: one writer that combines what waits, and readers that never wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from leasehold_api.signals import Signal
from leasehold_api.storage.writer import Transaction, Writer, translated

T = TypeVar("T")

READERS = 4
"""Threads, and at most as many connections, for reading."""

_EACH_ITS_OWN = "AUTOCOMMIT"
"""Each statement sees what was committed before it."""


class Database:
    """Where everything durable is, except blobs."""

    def __init__(self, engine: Engine, *, publish: Callable[[list[Signal]], None]) -> None:
        self.engine = engine
        self.publish = publish
        self._writer = Writer(engine, on_commit=self.announce)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="database-reader")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lookups: Connection | None = None

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.engine.dialect.name

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Publish signals in ``loop``'s thread from now on."""
        self._loop = loop

    async def write(self, operation: Callable[[Transaction], T]) -> T:
        """Run ``operation`` in a transaction, together with others that wait; see ``Writer.write``."""
        return await self._writer.write(operation)

    def submit(self, operation: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Like ``write``, but not waited for yet: several at once share a commit."""
        return asyncio.wrap_future(self._writer.submit(operation))

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run ``query`` on one snapshot and return its answer. It must not write.

        Raises:
            UnavailableError: if the database can't be reached.
        """
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, query)

    async def look_up(self, query: Callable[[Connection], T]) -> T:
        """Run one statement that finds a row by an index, and return its answer.

        On SQLite a thread and a transaction cost several times such a query, so it is run where it is asked for.

        Raises:
            UnavailableError: if the database can't be reached.
        """
        if self.dialect != "sqlite":
            return await self.read(query)
        try:
            if self._lookups is None:
                self._lookups = self.engine.connect().execution_options(isolation_level=_EACH_ITS_OWN)
            return query(self._lookups)
        except (DBAPIError, OverflowError) as error:
            raise translated(error) from error

    def _read(self, query: Callable[[Connection], T]) -> T:
        try:
            with self.engine.connect().execution_options(read_only=True) as connection:
                return query(connection)
        except (DBAPIError, OverflowError) as error:
            raise translated(error) from error

    def announce(self, signals: list[Signal]) -> None:
        """Publish signals, in the bound loop's thread."""
        if self._loop is None:
            self.publish(signals)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.publish, signals)

    def close(self) -> None:
        """Finish the writes that wait, then let go of every connection."""
        self._writer.close()
        self._readers.shutdown()
        if self._lookups is not None:
            self._lookups.close()
        self.engine.dispose()


def make_engine(url: str) -> Engine:
    """Return an engine for ``sqlite:///path`` or ``postgresql://…``.

    Raises:
        ValueError: if the URL is neither.
    """
    parsed = sqlalchemy.make_url(url)
    match parsed.get_backend_name():
        case "sqlite":
            if parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            engine = sqlalchemy.create_engine(parsed, connect_args={"timeout": 30}, pool_size=READERS + 2)
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_immediately)
            return engine
        case "postgresql":
            return sqlalchemy.create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                pool_size=READERS + 2,
                pool_pre_ping=False,
                connect_args={"connect_timeout": 10, "application_name": "leasehold-api"},
            )
        case other:
            raise ValueError(f"the database URL names {other!r}; use sqlite:///… or postgresql://…")


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transaction control would begin too late (at the first write), see _begin_immediately.
    connection.isolation_level = None
    cursor = connection.cursor()
    # WAL: readers see a snapshot and never wait. FULL: what we acknowledged survives a power cut.
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -65536"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediately(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("isolation_level") == _EACH_ITS_OWN:
        return
    # IMMEDIATE for the writer: a deferred transaction that reads first may fail with SQLITE_BUSY when it writes.
    read_only = options.get("read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
