"""The wheels that travel with a DAG: of each locked package, the files that are here and have a hash of the lock."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from leasehold.authoring.script import ScriptMetadata
from leasehold.cli.environments.locking import download_wheels, wheel_folders
from leasehold.cli.errors import FailedError
from leasehold.runtime.rules.locks import LockedPackage, locked_packages, normal_name


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelFile:
    """One wheel, ready to be sent."""

    name: str
    sha256: str
    data: bytes = field(repr=False)


def carried_wheels(lock: str, script: ScriptMetadata, folder: Path) -> list[WheelFile]:
    """Return the wheels of a lock: of find-links those for every platform, of an index those for this machine.

    Raises:
        CliError: one can't be had.
    """
    packages = locked_packages(lock)
    found = _matching(packages, wheel_folders(script, folder))
    if _without(packages, found) and not script.no_index:
        with tempfile.TemporaryDirectory(prefix="leasehold-wheels-") as temporary:
            download_wheels(lock, script, folder, Path(temporary))
            found |= _matching(packages, [Path(temporary)])
    if missing := [package for package in _without(packages, found) if not package.is_conditional]:
        names = ", ".join(f"{package.name} {package.version}" for package in missing)
        raise FailedError(
            f"No wheel with a hash of the lock was found for {names}.",
            "Put it into a folder of find-links; if it was built again, lock again: leasehold lock FILE",
        )
    return [found[sha256] for sha256 in sorted(found, key=lambda sha256: found[sha256].name)]


def _matching(packages: Iterable[LockedPackage], folders: Iterable[Path]) -> dict[str, WheelFile]:
    wanted = {sha256 for package in packages for sha256 in package.hashes}
    names = {package.name for package in packages}
    found: dict[str, WheelFile] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.whl")):
            if normal_name(path.name.partition("-")[0]) not in names:
                continue
            data = path.read_bytes()
            sha256 = hashlib.sha256(data).hexdigest()
            if sha256 in wanted:
                found[sha256] = WheelFile(name=path.name, sha256=sha256, data=data)
    return found


def _without(packages: Iterable[LockedPackage], found: dict[str, WheelFile]) -> list[LockedPackage]:
    return [package for package in packages if not package.hashes & found.keys()]
