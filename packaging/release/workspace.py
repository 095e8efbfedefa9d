"""The folder a repository is made in: ``public`` is what is served, ``staged`` what waits for signatures.

public/metadata/   N.root.json, N.targets.json, N.snapshot.json, timestamp.json
public/targets/    archives and channels, named by their hash
staged/            root.json, targets.json, and targets/ as above: nobody is served any of this
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

S = TypeVar("S", Root, Targets, Snapshot, Timestamp)
DAYS = {"root": 365, "targets": 180, "snapshot": 30, "timestamp": 7}
"""How long each role's metadata lasts: the more a key is online, the shorter."""


class ReleaseError(Exception):
    """It can't be done; the text says why, and what to do."""


class Workspace:
    """One repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.metadata = folder / "public/metadata"
        self.targets = folder / "public/targets"
        self.staged = folder / "staged"

    def make(self) -> None:
        """Make the folders; there may be no repository yet."""
        if self.metadata.exists() or self.staged.exists():
            raise ReleaseError(f"{self.folder} holds a repository already")
        for folder in (self.metadata, self.targets, self.staged):
            folder.mkdir(parents=True)

    def published(self, role: str, kind: type[S]) -> Metadata[S] | None:
        """Return the newest published metadata of a role."""
        if role == "timestamp":
            return _read(self.metadata / "timestamp.json", kind)
        versions = [int(path.name.split(".")[0]) for path in self.metadata.glob(f"*.{role}.json")]
        return _read(self.metadata / f"{max(versions)}.{role}.json", kind) if versions else None

    def waiting(self, role: str, kind: type[S]) -> Metadata[S] | None:
        """Return a role's staged metadata."""
        return _read(self.staged / f"{role}.json", kind)

    def newest(self, role: str, kind: type[S]) -> Metadata[S]:
        """Return what is staged of a role, else what is published."""
        found = self.waiting(role, kind) or self.published(role, kind)
        if found is None:
            raise ReleaseError(f"{self.folder} holds no repository: release.py init makes one")
        return found

    def next(self, role: str, kind: type[S], *, now: datetime) -> Metadata[S]:
        """Return the next version of a role, ready to be changed, with a new expiry and nobody's signature."""
        metadata = self.newest(role, kind)
        before = self.published(role, kind)
        metadata.signed.version = 1 if before is None else before.signed.version + 1
        metadata.signed.expires = expiry(role, now)
        metadata.signatures.clear()
        return metadata

    def stage(self, role: str, metadata: Metadata[S]) -> None:
        """Let a role's metadata wait for signatures."""
        self.staged.mkdir(exist_ok=True)
        _write(self.staged / f"{role}.json", metadata)

    def publish(self, role: str, metadata: Metadata[S]) -> None:
        """Serve a role's metadata from now on; what it names has to be there already."""
        name = "timestamp.json" if role == "timestamp" else f"{metadata.signed.version}.{role}.json"
        _write(self.metadata / name, metadata)
        (self.staged / f"{role}.json").unlink(missing_ok=True)

    def publish_targets(self) -> None:
        """Serve the files that were added."""
        waiting = self.staged / "targets"
        for path in sorted(waiting.rglob("*")) if waiting.exists() else []:
            if path.is_file():
                place = self.targets / path.relative_to(waiting)
                place.parent.mkdir(parents=True, exist_ok=True)
                path.replace(place)
        shutil.rmtree(waiting, ignore_errors=True)


def expiry(role: str, now: datetime) -> datetime:
    """Return when metadata that is made now ends."""
    return (now.astimezone(UTC) + timedelta(days=DAYS[role])).replace(microsecond=0)


def _read(file: Path, kind: type[S]) -> Metadata[S] | None:
    try:
        metadata = Metadata[kind].from_bytes(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, RepositoryError) as error:
        raise ReleaseError(f"{file} can't be read: {error}") from error
    if not isinstance(metadata.signed, kind):
        raise ReleaseError(f"{file} is {metadata.signed.type} metadata")
    return metadata


def _write(file: Path, metadata: Metadata[S]) -> None:
    aside = file.with_name(f".{file.name}.new")
    aside.write_bytes(metadata.to_bytes(JSONSerializer(compact=False)))
    aside.replace(file)
