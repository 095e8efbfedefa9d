"""The first start: a team to work in, and the platform admin's API token in a file that only the server can read."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Protocol

from leasehold_api import clock
from leasehold_api.opaque_tokens import OpaqueToken, mint, parse

DEFAULT_TEAM = "default"
TOKEN_FILE = "bootstrap.token"  # noqa: S105 - a file name


class BootstrapStore(Protocol):
    """Where the first team and token are kept."""

    async def is_new(self) -> bool:
        """Say whether no platform admin's token was ever made."""
        ...

    async def begin(self, token: OpaqueToken, *, team: str, team_id: str, now: float) -> bool:
        """Make the first team, and the platform admin's token unless there ever was one; say whether it was made."""
        ...


async def ensure_bootstrap(store: BootstrapStore, state_dir: Path, now: float) -> Path | None:
    """Do what the first start needs; return the token's file when it was needed, none on later starts.

    Raises:
        OSError: if the token's file can't be written or read.
        ValueError: if a file of that name is there and holds no token.
    """
    if not await store.is_new():
        return None
    path = state_dir / TOKEN_FILE
    # The file first: a token that is in the database but in no file would lock everybody out. Whichever process puts
    # the file there decides the token, so that a crash in between, or a second process, ends with the same one.
    _put_once(path, mint("lht").text + "\n")
    token = parse(path.read_text().strip(), "lht")
    if token is None:
        raise ValueError(f"{path} holds no API token: remove the file and start again")
    return path if await store.begin(token, team=DEFAULT_TEAM, team_id=clock.new_id("team"), now=now) else None


def _put_once(path: Path, text: str) -> None:
    waiting = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        _write_privately(waiting, text)
        # A link, not a rename: it fails when the file is there, and it appears with its content.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(waiting)
    finally:
        waiting.unlink(missing_ok=True)
    _fsync_directory(path.parent)


def _write_privately(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _fsync_directory(path: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
