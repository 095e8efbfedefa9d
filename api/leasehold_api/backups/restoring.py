"""Restoring a backup into an empty place, so that nothing that was leased since the backup runs twice."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from leasehold_api.backups.archive import About, BackupError, Readable, check, members
from leasehold_api.backups.copying import DatabaseCopy, copy_of
from leasehold_api.backups.making import FILES
from leasehold_api.clock import instant
from leasehold_api.config import Settings
from leasehold_api.context.key_files import KeyFiles
from leasehold_api.fault_points import reach
from leasehold_api.leases.restored import EPOCHS_COUNT_FROM
from leasehold_api.storage.database import make_engine
from leasehold_api.storage.migrate import migrate
from leasehold_api.storage.sql_restored import fence, go_on
from leasehold_api.storage.writer import Transaction
from leasehold_api.unfinished_restore import mark, unmark

KEPT = {"keys", "bootstrap.token"}
"""What is put into the state directory before a restore: it is in no backup."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A service that may start again."""

    about: About
    files: int
    leases_from: datetime | None
    """When the first task is leased again; none: at once."""


def restore_backup(settings: Settings, path: Path, *, nothing_since: bool, now: float) -> Restored:
    """Restore a backup. Nothing is changed before all of it was read and found whole.

    Args:
        settings: Where to.
        path: The backup.
        nothing_since: The service was stopped before the backup was made, and nothing was leased since.
        now: Seconds since 1970.

    Raises:
        BackupError: it can't be restored here.
        SettingsError: if the key files can't be read.
        NewerDatabaseError: if it is of a newer version.
        sqlalchemy.exc.SQLAlchemyError: if the database can't be written.
    """
    about = check(path)
    database = copy_of(settings.database())
    _check_place(settings, database, about, now=now)
    state_dir = settings.state_dir
    state_dir.mkdir(parents=True, exist_ok=True)
    state_dir.chmod(0o700)
    mark(state_dir)
    copy, files = state_dir / f".{database.member}.restored", 0
    for name, source in members(path):
        if name == database.member:
            _write(copy, source)
        else:
            _write(_place_of(state_dir, name), source)
            files += 1
    reach("restore.files-written")
    database.load(copy)
    copy.unlink(missing_ok=True)
    leases_from = _take_over(settings, about, nothing_since=nothing_since, now=now)
    os.sync()
    unmark(state_dir)
    return Restored(about=about, files=files, leases_from=None if leases_from is None else instant(leases_from))


def _check_place(settings: Settings, database: DatabaseCopy, about: About, *, now: float) -> None:
    if now < max(EPOCHS_COUNT_FROM, about.made_at):
        raise BackupError(
            f"this machine's clock says {datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M} UTC, which is before the "
            "backup was made: set it right first; what keeps tasks from running twice goes by it"
        )
    if database.store != about.store:
        kinds = {"sqlite": "an SQLite file: leave database_url unset", "postgresql": "PostgreSQL: name database_url"}
        raise BackupError(f"the backup is of {kinds.get(about.store, about.store)}")
    if settings.state_dir.is_dir() and (there := sorted({each.name for each in settings.state_dir.iterdir()} - KEPT)):
        raise BackupError(
            f"{settings.state_dir} is not empty ({', '.join(there[:5])}): name a new directory, with only "
            f"{' and '.join(sorted(KEPT))} in it"
        )
    files = KeyFiles.named(settings)
    there_are = [kek_id for kek_id in about.keys if files.path(kek_id).is_file()]
    if missing := [files.path(kek_id) for kek_id in about.keys if kek_id not in there_are]:
        raise BackupError(
            f"the backup needs keys that are not here: put them at {', '.join(map(str, missing))}, from where they are "
            "kept apart. Without them no stored secret can be opened and no token signed"
        )
    if about.keys:
        files.sealer()
    database.check_empty()


def _take_over(settings: Settings, about: About, *, nothing_since: bool, now: float) -> float | None:
    engine = make_engine(settings.database())
    try:
        migrate(engine)
        with engine.begin() as connection:
            tx = Transaction(connection)
            if nothing_since:
                go_on(tx, made_at=about.made_at, now=now)
                return None
            return fence(tx, made_at=about.made_at, now=now)
    finally:
        engine.dispose()


def _place_of(state_dir: Path, name: str) -> Path:
    parts = PurePosixPath(name).parts
    if parts[0] not in FILES or ".." in parts or len(parts) == 1:
        raise BackupError(f"the backup has {name!r}, which no backup has: it is not one of ours")
    return state_dir.joinpath(*parts)


def _write(path: Path, source: Readable) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        shutil.copyfileobj(source, file, 1024 * 1024)
