"""Which packs tasks may have, and how their users keep them.

Below ``<state>/packs``, made and changed by ``packs.store`` only:

    python3.12/versions/3.12.4/   one version: bin/python3.12, lib/, pack.json; never changed once it is there
    python3.12/current            a link to the version that tasks get; without it none is offered
    python3.12/.users-3.12.4      held, shared, by every host that uses that version
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from leasehold_agent.packs.names import NAME, UV, minor_of, starts

_PATIENCE_S, _LOOK_S = 10.0, 0.02


class PackGoneError(Exception):
    """The pack was removed a moment ago."""


@dataclass(frozen=True, slots=True)
class OfferedPack:
    """A pack that tasks may have."""

    name: str
    version: str
    program: str
    """Its path. It leads into the tree of this version, and not through the link: that may be changed."""


def offered_packs(root: Path) -> list[OfferedPack]:
    """Return the packs that tasks may have, the newest Python first."""
    try:
        names = [name for name in os.listdir(root) if NAME.fullmatch(name)]  # noqa: PTH208 - names are all that is needed
    except OSError:
        return []
    found = [_offered(root, name) for name in sorted(names, key=minor_of, reverse=True)]
    return [pack for pack in found if pack is not None]


def offered_pythons(root: Path) -> list[str]:
    """Return the interpreters of packs, the newest first."""
    return [pack.program for pack in offered_packs(root) if pack.name != UV]


def offered_uv(root: Path) -> str | None:
    """Return the uv of a pack."""
    pack = _offered(root, UV)
    return None if pack is None else pack.program


def keep(root: Path, program: str) -> int | None:
    """Keep the pack that a program belongs to from being removed, for as long as the returned file is open. Blocks.

    Returns:
        A file descriptor; none when the program is of no pack.

    Raises:
        PackGoneError: the pack is not there any more, or on its way out.
    """
    path = Path(program)
    if not path.is_relative_to(root):
        return None
    name, _, version = path.relative_to(root).parts[:3]
    try:
        fd = os.open(users_file(root, name, version), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        raise PackGoneError from None
    # Whoever has it alone looks for users only, or removes it: then the program is gone in a moment.
    patience = time.monotonic() + _PATIENCE_S
    while path.exists() and time.monotonic() < patience:
        with suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if path.exists():
                return fd
            break
        time.sleep(_LOOK_S)
    os.close(fd)
    raise PackGoneError


def users_file(root: Path, name: str, version: str) -> Path:
    """Return the file whose lock the users of a version hold."""
    return root / name / f".users-{version}"


def _offered(root: Path, name: str) -> OfferedPack | None:
    try:
        version = (root / name / "current").readlink().name
    except OSError:
        return None
    program = root / name / "versions" / version / starts(name)
    return OfferedPack(name, version, str(program)) if os.access(program, os.X_OK) else None
