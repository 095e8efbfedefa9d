"""``leasehold.toml``: connections and variables for scripts run by hand, found beside the script or above it.

    [connections.plant_db]
    conn_type = "postgres"
    host = "localhost"

    [connections]
    archive = "sqlite:///%2Ftmp%2Farchive.db"

    [variables]
    "plant/limit" = 80

``leasehold.dev.toml`` in the same folder wins over it, name by name: it is the one to leave out of version control.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from leasehold.errors import RefusedError

NAMES = ("leasehold.toml", "leasehold.dev.toml")
"""What the file may be called; the later one wins."""
_TABLES = ("connections", "variables")
_OTHERS = 0o077


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """What the files of one folder say.

    Attributes:
        path: The file, or both; empty when there is none.
        connections: URIs or tables of fields, by name.
        variables: Values, by key.
    """

    path: str = ""
    connections: dict[str, object] = field(default_factory=dict[str, object], repr=False)
    variables: dict[str, object] = field(default_factory=dict[str, object], repr=False)

    @property
    def shown(self) -> str:
        """The file to write something into."""
        return self.path or f"a file {NAMES[0]} beside the script"


def find_local_file(beside: Path | None = None) -> LocalFile:
    """Return what the nearest folder with such a file says: the script's own or one above it, then the current one's.

    Args:
        beside: The folder to begin in, instead of the script's.

    Raises:
        RefusedError: if a file can't be read, is no TOML, or has something else in it.
    """
    for place in _places(beside):
        found = [place / name for name in NAMES if (place / name).is_file()]
        if found:
            return _merged(found)
    return LocalFile()


def _places(beside: Path | None) -> list[Path]:
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    folders = [beside.resolve()] if beside else [Path(script).resolve().parent] if script else []
    return [place for folder in (*folders, Path.cwd()) for place in (folder, *folder.parents)]


def _merged(files: list[Path]) -> LocalFile:
    tables: dict[str, dict[str, object]] = {name: {} for name in _TABLES}
    for file in files:
        for name, table in _read(file).items():
            tables[name].update(table)
    return LocalFile(path=" and ".join(map(str, files)), **tables)


def _read(file: Path) -> dict[str, dict[str, object]]:
    import tomllib

    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise RefusedError(f"{file} can't be read: {problem.strerror}") from None
    except ValueError as problem:  # TOMLDecodeError and UnicodeDecodeError are
        raise RefusedError(f"{file} is not TOML: {problem}") from None
    for name, table in found.items():
        if name not in _TABLES or not isinstance(table, dict):
            raise RefusedError(f"{file}: {name!r} has no place there, only the tables [connections] and [variables]")
    if found.get("connections"):
        _warn_if_others_may_read(file)
    return found


def _warn_if_others_may_read(file: Path) -> None:
    mode = file.stat().st_mode & 0o777
    if mode & _OTHERS:
        cure = f"chmod 600 {file}"
        text = f"WARNING others on this machine can read the connections in {file} (mode {mode:o}): {cure}"
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - the log of a script run by hand
