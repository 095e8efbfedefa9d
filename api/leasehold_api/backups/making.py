"""Making a backup, while the service runs or not.

The database first, then the files: what a row names was written before the row, so everything that the copy of the
database names is there when the files are read. What came later lies there unused.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from leasehold_api import __version__
from leasehold_api.backups.archive import ABOUT, SUFFIX, About, BackupError, new_archive
from leasehold_api.backups.copying import copy_of
from leasehold_api.clock import instant
from leasehold_api.config import Settings
from leasehold_api.context.rewrapping import usage
from leasehold_api.fault_points import reach
from leasehold_api.noted_address import address_of
from leasehold_api.storage.database import make_engine
from leasehold_api.storage.migrate import revisions
from leasehold_api.storage.sql_sealed import SqlSealedRows
from leasehold_api.unfinished_restore import is_marked

FILES = ("logs", "blobs")
"""What the state directory has besides the database and the keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A backup that is whole."""

    path: Path
    about: About
    files: int
    size: int


def make_backup(settings: Settings, target: Path, *, now: float) -> Made:
    """Write a backup to ``target``, or into it when it is a directory.

    Raises:
        BackupError: it can't be made.
        sqlalchemy.exc.SQLAlchemyError: if the database can't be read.
    """
    if is_marked(settings.state_dir):
        raise BackupError(f"half of another backup lies in {settings.state_dir}: finish that restore first")
    path = target / f"leasehold-{instant(now):%Y%m%dT%H%M%SZ}{SUFFIX}" if target.is_dir() else target
    if not path.parent.is_dir():
        raise BackupError(f"there is no directory {path.parent}: make it, or name another place")
    database = copy_of(settings.database())
    files = 0
    with (
        new_archive(path) as archive,
        # Beside the backup, where there has to be room anyway.
        tempfile.TemporaryDirectory(dir=path.parent, prefix=".leasehold-backup-") as aside,
    ):
        copy = Path(aside) / database.member
        database.dump(copy)
        about = _about(settings, database.store, now=now)
        archive.note(ABOUT, about)
        archive.file(database.member, copy)
        reach("backup.database-copied")
        for name, file in _files(settings.state_dir):
            files += archive.file(name, file) is not None
        reach("backup.before-end")
    return Made(path=path, about=about, files=files, size=path.stat().st_size)


def _about(settings: Settings, store: str, *, now: float) -> About:
    engine = make_engine(settings.database())
    try:
        with engine.connect().execution_options(read_only=True) as connection:
            revision = revisions(connection)[0]
        if revision is None:
            raise BackupError("the database is empty: there is nothing to back up")
        keys = sorted(usage(SqlSealedRows(engine)), key=lambda kek_id: (len(kek_id), kek_id))
    finally:
        engine.dispose()
    return About(
        version=__version__,
        made_at=now,
        store=store,
        schema_revision=revision,
        keys=keys,
        public_url=address_of(settings),
    )


def _files(state_dir: Path) -> Iterator[tuple[str, Path]]:
    for kind in FILES:
        for folder, folders, names in os.walk(state_dir / kind):
            # Uploads that are under way are sent again from where the restored service stands.
            folders[:] = sorted(name for name in folders if name != "incoming")
            for name in sorted(names):
                if not name.startswith("."):
                    file = Path(folder) / name
                    yield file.relative_to(state_dir).as_posix(), file
