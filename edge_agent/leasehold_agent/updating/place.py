"""Where the versions of this agent lie, whose signatures count there, and how this process was started."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from leasehold_agent.attempts.sdk import own_command
from leasehold_agent.config import Settings
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.identity.record import read_record
from leasehold_agent.installing.places import MANAGED_BY, ROOT_OF_TRUST
from leasehold_agent.installing.versions import PROGRAM, Versions

_FOLDER = "update"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedAs:
    """What a process was started with, so that another version can be started the same way."""

    arguments: tuple[str, ...]
    environ: Mapping[str, str]
    is_supervised: bool
    """A service manager starts it again when it ends."""

    @classmethod
    def this_process(cls) -> Self:
        """Return it of this process; ask before anything is taken out of the environment."""
        environ = dict(os.environ)
        # SYSTEMD_EXEC_PID is this process's own only in a service; what a service starts inherits another's.
        is_main = environ.get("SYSTEMD_EXEC_PID") == str(os.getpid())
        return cls(arguments=tuple(sys.argv[1:]), environ=environ, is_supervised=is_main or "NOTIFY_SOCKET" in environ)


def find_versions(settings: Settings) -> Versions | None:
    """Return where this agent's versions lie; none when it was installed some other way."""
    if settings.update_prefix is not None:
        return Versions(settings.update_prefix)
    own = Path(sys.executable).resolve()
    if getattr(sys, "frozen", False) and own.parent.parent.name == "versions":
        return Versions(own.parents[2])
    return None


def find_root(settings: Settings, versions: Versions | None) -> Path | None:
    """Return the file with the root of trust; none when nothing says whom to trust."""
    if settings.update_root is not None:
        return settings.update_root
    beside = None if versions is None else versions.prefix / ROOT_OF_TRUST
    return beside if beside is not None and beside.is_file() else None


def managed_by(versions: Versions | None) -> str | None:
    """Return the package manager that brings versions here; none where they come otherwise."""
    try:
        return None if versions is None else (versions.prefix / MANAGED_BY).read_text("utf-8").strip() or None
    except (OSError, ValueError):
        return None


def read_root(settings: Settings, versions: Versions | None) -> bytes:
    """Return the root of trust.

    Raises:
        OperatorError: there is none, or it can't be read.
    """
    file = find_root(settings, versions)
    if file is None:
        raise OperatorError(
            Exit.USAGE,
            "No root of trust came with this installation: nothing says whose versions may be installed.",
            "Get root.json from whoever publishes the versions, by a way you trust, and set update_root to it.",
        )
    try:
        return file.read_bytes()
    except OSError as error:
        raise OperatorError(
            Exit.USAGE, f"The root of trust {file} can't be read: {error.strerror}.", "Correct update_root."
        ) from error


def find_repository(settings: Settings) -> str:
    """Return the address of the repository.

    Raises:
        OperatorError: nothing says where it is.
    """
    if settings.update_repository is not None:
        return settings.update_repository
    record = read_record(settings.state_dir)
    if record is None:
        raise OperatorError(
            Exit.NOT_ENROLLED,
            "This agent is not enrolled, and no update repository is set.",
            "Enrol it, or name the repository: --repository URL or update_repository.",
        )
    return f"{record.api_url.rstrip('/')}/updates"


def working_folder(settings: Settings, versions: Versions | None) -> Path:
    """Return where the repository's metadata is remembered: with what it changes, if this user may change that."""
    if versions is not None and os.access(versions.prefix, os.W_OK):
        return versions.prefix / _FOLDER
    return settings.state_dir / _FOLDER


def own_program(versions: Versions | None, version: str) -> Path | None:
    """Return the program of the version that runs: its own tree's, whatever ``current`` leads to by now."""
    if versions is not None and os.access(program := versions.tree(version) / PROGRAM, os.X_OK):
        return program
    return own_command()
