"""The database: is it there, which program and schema it has, and what time it is there."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from leasehold_api.config import Settings
from leasehold_api.storage.database import make_engine
from leasehold_api.storage.migrate import revisions
from leasehold_api.terminal import database_trouble
from leasehold_protocol.findings import Finding, fine, problem

_OLDEST_POSTGRESQL = 13


@dataclass(slots=True, kw_only=True)
class DatabaseReport:
    """What was found, and what others need of it."""

    findings: list[Finding] = field(default_factory=list[Finding])
    is_current: bool = False
    """It can be read, and has this version's schema."""
    ahead_s: float | None = None
    """How far the database server's clock is ahead of this one; none where it is the same machine's."""
    newest_at: float | None = None
    """When the newest row of the audit trail was written."""


def check_database(settings: Settings) -> DatabaseReport:
    """Look at the database. Nothing is made and nothing changed."""
    report = DatabaseReport()
    try:
        engine = make_engine(settings.database())
    except ValueError as error:
        report.findings.append(problem("database", str(error), "Correct database_url."))
        return report
    file = engine.url.database
    if engine.dialect.name == "sqlite" and not (file and Path(file).exists()):
        cure = "Name the service's --state-dir; `leasehold-api serve` makes it when it starts for the first time."
        report.findings.append(problem("database", f"there is no database at {file}", cure))
        return report
    started = time.monotonic()
    try:
        with engine.connect().execution_options(read_only=True) as connection:
            took = round((time.monotonic() - started) * 1000, 1)
            _look(connection, report, took_ms=took)
    except SQLAlchemyError as error:
        cause, _, cure = database_trouble(error).partition(". ")
        report.findings.append(problem("database", cause, cure))
    finally:
        engine.dispose()
    return report


def _look(connection: Connection, report: DatabaseReport, *, took_ms: float) -> None:
    if connection.dialect.name == "postgresql":
        version = str(connection.execute(text("SHOW server_version")).scalar_one()).split()[0]
        told, here = connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one(), time.time()
        report.ahead_s = float(told) - here
        product = f"PostgreSQL {version}"
        if int(version.split(".")[0]) < _OLDEST_POSTGRESQL:
            cure = f"Upgrade it to {_OLDEST_POSTGRESQL} or newer."
            report.findings.append(problem("database", f"{product} is too old", cure, took_ms=took_ms))
            return
    else:
        product = f"SQLite {connection.execute(text('SELECT sqlite_version()')).scalar_one()}"
    report.findings.append(fine("database", f"{product} answers", took_ms=took_ms))
    now, head, known = revisions(connection)
    if now is None:
        cure = "leasehold-api serve, or leasehold-api migrate, makes its tables."
        report.findings.append(problem("schema", "the database is empty", cure))
    elif now not in known:
        cure = "Install the newer version of leasehold-api again, or restore a backup from before it."
        report.findings.append(problem("schema", f"schema {now} is of a newer version than this one ({head})", cure))
    elif now != head:
        cure = "leasehold-api migrate; `serve` does it, too. Make a backup before: leasehold-api backup"
        report.findings.append(problem("schema", f"the schema is {now}, and this version needs {head}", cure))
    else:
        report.findings.append(fine("schema", f"{head}, as this version needs it"))
        report.is_current = True
        report.newest_at = connection.execute(text("SELECT max(at) FROM audit")).scalar()
