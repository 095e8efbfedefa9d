"""Bringing a database to this version's schema, and refusing one that is newer."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from leasehold_api.storage.tables import metadata

_LOCK = 0x1EA5E401D


class NewerDatabaseError(Exception):
    """The database was migrated by a newer version of the API."""


def migrate(engine: Engine) -> tuple[str | None, str]:
    """Bring the schema up to date; return the revision before and after. Several processes may start at once.

    Raises:
        NewerDatabaseError: if the database is ahead of this program; nothing was changed.
    """
    config = alembic_config()
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    if head is None:
        raise RuntimeError("this installation has no migrations")
    with engine.connect() as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        before = MigrationContext.configure(connection).get_current_revision()
        if before is not None and before not in {script.revision for script in scripts.walk_revisions()}:
            raise NewerDatabaseError(
                f"the database has schema {before!r}, which this version of leasehold-api does not know: "
                "it was used by a newer one. Install that version again, or restore a backup from before it."
            )
        if before != head:
            _upgrade(connection, config)
    return before, head


def revisions(connection: Connection) -> tuple[str | None, str | None, set[str]]:
    """Return the database's revision, this version's, and all that this version knows. Nothing is changed."""
    scripts = ScriptDirectory.from_config(alembic_config())
    known = {script.revision for script in scripts.walk_revisions()}
    return MigrationContext.configure(connection).get_current_revision(), scripts.get_current_head(), known


def alembic_config() -> Config:
    """Return Alembic's configuration: migrations are in the package, there is no ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["target_metadata"] = metadata
    return config


def _upgrade(connection: Connection, config: Config) -> None:
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
