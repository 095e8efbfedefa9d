"""The commands ``leasehold-api backup`` and ``restore``."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from leasehold_api import clock
from leasehold_api.config import SettingsError
from leasehold_api.context.key_files import KeyFiles
from leasehold_api.terminal import (
    EXIT_DATABASE,
    EXIT_FAILED,
    EXIT_SETTINGS,
    DatabaseUrl,
    StateDir,
    console,
    database_trouble,
    fail,
    settings_from,
)

_AFTER = (
    "What happened since then is forgotten: lock and revoke again what was locked and revoked since. Agents that "
    "enrolled since, or changed their key, enrol again. docs/howto/back-up.md says more."
)

Json = Annotated[bool, typer.Option("--json", help="For programs.")]


def backup(
    target: Annotated[Path, typer.Argument(help="The file to write, or a directory to make one in.")],
    *,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Write database, logs, bundles and results into one file, while the service runs or not.

    The keys that stored secrets are sealed with are not in it: keep a copy of them elsewhere. PostgreSQL needs pg_dump.
    Interrupted, it leaves no file of that name.

    Example: leasehold-api backup /var/backups/leasehold --state-dir /var/lib/leasehold-api
    """
    from leasehold_api.backups.making import make_backup

    settings = settings_from(state_dir=state_dir, database_url=database_url)
    if not settings.state_dir.is_dir():
        fail(f"there is no state directory {settings.state_dir}: check --state-dir", EXIT_SETTINGS)
    with _explained():
        made = make_backup(settings, target, now=clock.now())
    files = KeyFiles.named(settings)
    needed = [str(files.path(kek_id)) for kek_id in made.about.keys]
    if as_json:
        facts = {"file": str(made.path), "bytes": made.size, "files": made.files, "key_files": needed}
        sys.stdout.write(json.dumps(made.about.model_dump() | facts) + "\n")
        return
    console.print(
        f"{made.path}: {_amount(made.size)}, the database (schema {made.about.schema_revision}) and {made.files} files."
    )
    if needed:
        console.print(f"To open its secrets these are needed, which are not in it: {', '.join(needed)}")


def restore(
    file: Annotated[Path, typer.Argument(help="The backup.", exists=True, dir_okay=False)],
    *,
    nothing_since: Annotated[
        bool,
        typer.Option(
            "--nothing-since",
            help="The service was stopped before this backup was made, and has not run since: all leases go on.",
        ),
    ] = False,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Restore a backup into an empty state directory, and an empty database where it is PostgreSQL.

    Put keys/ (and bootstrap.token) into the state directory before. Stop the service that is replaced. Without
    --nothing-since no task is leased until the longest lease of before has run out, so that none runs twice.

    Example: leasehold-api restore leasehold-20261122T230000Z.backup --state-dir /var/lib/leasehold-api
    """
    from leasehold_api.backups.restoring import restore_backup

    settings = settings_from(state_dir=state_dir, database_url=database_url)
    with _explained():
        restored = restore_backup(settings, file, nothing_since=nothing_since, now=clock.now())
    begins = restored.leases_from
    if as_json:
        facts = {"files": restored.files, "leases_from": None if begins is None else begins.isoformat()}
        sys.stdout.write(json.dumps(restored.about.model_dump() | facts) + "\n")
        return
    made_at = clock.instant(restored.about.made_at)
    console.print(f"Restored as of {made_at:%Y-%m-%d %H:%M:%S} UTC, with {restored.files} files.")
    if not nothing_since:
        console.print(_AFTER)
    if begins is not None:
        console.print(
            f"Tasks are leased from {begins:%Y-%m-%d %H:%M:%S} UTC on: until then agents may run what is forgotten."
        )
    console.print("Start it: leasehold-api serve; then: leasehold-api doctor")


@contextmanager
def _explained() -> Generator[None]:
    from sqlalchemy.exc import SQLAlchemyError

    from leasehold_api.backups.archive import BackupError
    from leasehold_api.storage.migrate import NewerDatabaseError

    try:
        yield
    except BackupError as error:
        fail(str(error), EXIT_FAILED)
    except SettingsError as error:
        fail(str(error), EXIT_SETTINGS)
    except NewerDatabaseError as error:
        fail(str(error), EXIT_DATABASE)
    except SQLAlchemyError as error:
        fail(database_trouble(error), EXIT_DATABASE)


def _amount(size: int) -> str:
    return f"{size / 1024**2:.1f} MiB"
