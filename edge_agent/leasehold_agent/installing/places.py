"""Where an installation has its parts: of one user, or of the whole machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Scope = Literal["user", "system"]

SERVICE = "edge-agent"
MANAGED_BY = "managed-by"
"""A file beside the versions that a package brings: the program that brings newer ones (``apt``, ``dnf``)."""
ROOT_OF_TRUST = "root.json"
"""A file beside the versions: whose signatures count for newer ones."""
SERVICE_USER = "leasehold-agent"
SYSTEM_STATE = Path("/var/lib/leasehold-agent")
SYSTEM_UNITS = tuple(
    Path(folder) / f"{SERVICE}.service" for folder in ("/etc/systemd/system", "/usr/lib/systemd/system")
)
"""Where the machine's service is defined: by ``edge-agent install --system``, or by a package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The folders and files of one installation."""

    scope: Scope
    prefix: Path
    unit: Path
    """The service's definition for systemd."""
    settings: Path | None
    """The settings that are written when there are none yet; a user's installation needs none."""

    @property
    def versions(self) -> Path:
        """The prefix of ``installing.versions.Versions``."""
        return self.prefix / "lib/leasehold"

    @property
    def command(self) -> Path:
        """The link that people type: it leads to the version in use."""
        return self.prefix / "bin/edge-agent"


def places(scope: Scope, environ: Mapping[str, str], *, home: Path | None, prefix: Path | None) -> Places:
    """Return the places of an installation.

    Args:
        scope: whose it is.
        environ: ``XDG_CONFIG_HOME`` in it moves a user's services.
        home: the user's home directory; none where there is none.
        prefix: where the operator wants it; none for the usual place.

    Raises:
        ValueError: there is no place for it: it is a user's, without a home directory.
    """
    if scope == "system":
        return Places(
            scope=scope,
            prefix=prefix or Path("/usr/local"),
            unit=SYSTEM_UNITS[0],
            settings=Path("/etc/leasehold/agent.toml"),
        )
    configuration = environ.get("XDG_CONFIG_HOME", "")
    folder = Path(configuration) if configuration.startswith("/") else home and home / ".config"
    base = prefix or (home and home / ".local")
    if base is None or folder is None:
        raise ValueError("this user has no home directory")
    return Places(scope=scope, prefix=base, unit=folder / "systemd/user" / f"{SERVICE}.service", settings=None)
