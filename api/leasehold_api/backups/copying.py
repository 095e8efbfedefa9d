"""Copying a database and loading the copy: by SQLite's own online backup, by PostgreSQL's own programs."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Protocol

import sqlalchemy
from sqlalchemy import URL, inspect
from sqlalchemy.exc import SQLAlchemyError

from leasehold_api.backups.archive import BackupError
from leasehold_api.storage.database import make_engine
from leasehold_api.terminal import database_trouble

_PAGES_AT_ONCE = -1
"""All: a reader of the write-ahead log, which no writer waits for, sees one moment however long it reads."""


class DatabaseCopy(Protocol):
    """One kind of database."""

    store: str
    member: str
    """What its copy is called in a backup."""

    def dump(self, into: Path) -> None:
        """Write a copy, of one moment, while the service may run.

        Raises:
            BackupError: there is no database, or it can't be copied.
        """
        ...

    def check_empty(self) -> None:
        """Make sure that nothing would be overwritten.

        Raises:
            BackupError: there is something, or the database can't be reached.
        """
        ...

    def load(self, copy: Path) -> None:
        """Bring a copy into the empty database.

        Raises:
            BackupError: it can't be.
        """
        ...


def copy_of(url: str) -> DatabaseCopy:
    """Return how the database at ``url`` is copied.

    Raises:
        BackupError: the URL is of no database that this service uses.
    """
    parsed = sqlalchemy.make_url(url)
    match parsed.get_backend_name():
        case "sqlite" if parsed.database:
            return SqliteCopy(Path(parsed.database))
        case "postgresql":
            return PostgresqlCopy(parsed.set(drivername="postgresql"))
        case _:
            raise BackupError("the database is neither an SQLite file nor PostgreSQL: correct database_url")


class SqliteCopy:
    """An SQLite file."""

    store = "sqlite"
    member = "database.sqlite"

    def __init__(self, file: Path) -> None:
        self._file = file

    def dump(self, into: Path) -> None:
        """Write a copy; see the port."""
        if not self._file.is_file():
            raise BackupError(f"there is no database at {self._file}: name the service's --state-dir")
        try:
            with (
                closing(sqlite3.connect(f"{self._file.absolute().as_uri()}?mode=ro", uri=True)) as source,
                closing(sqlite3.connect(into)) as target,
            ):
                source.backup(target, pages=_PAGES_AT_ONCE)
        except sqlite3.Error as error:
            raise BackupError(f"{self._file} can't be copied: {error}") from None

    def check_empty(self) -> None:
        """Make sure that there is no file; see the port."""
        if self._file.exists():
            raise BackupError(f"there is a database at {self._file} already: restore into an empty --state-dir")

    def load(self, copy: Path) -> None:
        """Put the copy in its place; see the port."""
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with closing(sqlite3.connect(copy)) as opened:
                (verdict,) = opened.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            verdict = str(error)
        if verdict != "ok":
            raise BackupError(f"the database in the backup is damaged: {verdict}. Take another backup")
        copy.replace(self._file)


class PostgresqlCopy:
    """A PostgreSQL database."""

    store = "postgresql"
    member = "database.pgdump"

    def __init__(self, url: URL) -> None:
        self._url = url

    def dump(self, into: Path) -> None:
        """Write a copy; see the port."""
        self._run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={into}")

    def check_empty(self) -> None:
        """Make sure that the database has no tables; see the port."""
        engine = make_engine(self._url.render_as_string(hide_password=False))
        try:
            tables = inspect(engine).get_table_names()
        except SQLAlchemyError as error:
            raise BackupError(database_trouble(error)) from None
        finally:
            engine.dispose()
        if tables:
            raise BackupError("the database has tables already: make an empty one (createdb), and name that")

    def load(self, copy: Path) -> None:
        """Load the copy in one transaction; see the port."""
        self._run(
            "pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", beside=[str(copy)]
        )

    def _run(self, program: str, *options: str, beside: list[str] | None = None) -> None:
        found = shutil.which(program)
        if found is None:
            raise BackupError(
                f"{program} is not installed here: it comes with PostgreSQL's client programs (postgresql-client). "
                "docs/howto/back-up.md has the commands for another machine"
            )
        # Others can see a command's arguments, so the password goes by the environment.
        where = _without_password(self._url).render_as_string(hide_password=False)
        secret = {} if self._url.password is None else {"PGPASSWORD": str(self._url.password)}
        done = subprocess.run(
            [found, *options, f"--dbname={where}", "--no-password", *(beside or [])],
            env={**os.environ, "PGAPPNAME": "leasehold-api", **secret},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = " ".join(done.stderr.strip().splitlines()[-2:]) or f"exit status {done.returncode}"
            cure = "Take the client programs of the server's version." if "version mismatch" in done.stderr else ""
            raise BackupError(f"{program} failed: {said}. {cure}".rstrip())


def _without_password(url: URL) -> URL:
    return URL.create(
        url.drivername, username=url.username, host=url.host, port=url.port, database=url.database, query=url.query
    )
