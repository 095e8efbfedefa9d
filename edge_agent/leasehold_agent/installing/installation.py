"""Installs the tree a binary runs from, for a user or the machine, and takes it away again.

Everything that can fail for lack of room or permission comes before the link is flipped: what ran before runs on.
"""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from leasehold_agent.durable import write_atomically
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.installing import service_control
from leasehold_agent.installing.places import ROOT_OF_TRUST, SERVICE, Places
from leasehold_agent.installing.trees import make_folders
from leasehold_agent.installing.units import system_settings, systemd_unit
from leasehold_agent.installing.versions import PROGRAM, VersionRefusedError, Versions

_FIRST_START_S = 60.0
_CARRIED_ROOT = Path("_internal/about/root.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What an installation did."""

    tree: Path
    before: str | None
    """The version that was in use; None for the first one."""
    service_runs: bool
    """A service runs the version before, until it is restarted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """What taking it away left behind."""

    in_use: tuple[str, ...]
    """Versions that processes still run from."""


def install(tree: Path, version: str, places: Places, *, with_service: bool, link: bool) -> Done:
    """Put a tree in place, make it the one in use, and define its service.

    Raises:
        OperatorError: it can't be installed; the version that was in use still is.
    """
    versions = Versions(places.versions)
    with _explained(places):
        _check_command(places, versions)
        new = _put(versions, tree, version, link=link)
        _trust(versions, new)
        if with_service:
            service_control.make_user(places.scope)
            _write_definitions(places, versions.program)
        make_folders(places.command.parent)
        before = versions.flip(version)
        _link_command(places, versions)
    runs = with_service and service_control.reload(places.scope)
    return Done(tree=new, before=before, service_runs=runs)


def put_packaged(tree: Path, version: str, prefix: Path) -> None:
    """Put a package's tree in place and make it the one in use; of the others, the one before and those in use stay.

    Raises:
        OperatorError: as ``install``.
    """
    versions = Versions(prefix)
    with _explained(None, prefix):
        for other in set(versions.installed().versions) - {version}:
            versions.remove(other)
        _trust(versions, _put(versions, tree, version, link=True))
        versions.flip(version)


def remove_packaged(prefix: Path) -> Gone:
    """Take away what ``put_packaged`` made, less what processes still run from."""
    versions = Versions(prefix)
    with _explained(None, prefix):
        return _remove_all(versions)


def uninstall(places: Places, *, with_service: bool) -> Gone:
    """Take away the service, the command and the versions. Settings and the agent's state stay.

    Raises:
        OperatorError: something can't be removed, or there is nothing to remove.
    """
    versions = Versions(places.versions)
    with _explained(places):
        if not versions.installed().versions:
            raise OperatorError(
                Exit.NOT_INSTALLED,
                f"No edge-agent is installed below {places.versions}.",
                "Name the right place: --user, --system, or the --prefix it was installed with.",
            )
        if with_service:
            service_control.stop(places.scope)
            places.unit.unlink(missing_ok=True)
            service_control.reload(places.scope)
        if _is_ours(places.command, versions):
            places.command.unlink()
        return _remove_all(versions)


def _put(versions: Versions, tree: Path, version: str, *, link: bool) -> Path:
    is_new = version not in versions.installed().versions
    new = versions.put_version(tree, version, link=link)
    try:
        subprocess.run(
            [str(new / PROGRAM), "--version"], capture_output=True, check=True, timeout=_FIRST_START_S, cwd="/"
        )
    except (OSError, subprocess.SubprocessError) as problem:
        if is_new:
            versions.remove(version)
        said = (
            problem.stderr.decode(errors="replace").strip()
            if isinstance(problem, subprocess.CalledProcessError)
            else ""
        )
        raise OperatorError(
            Exit.NOT_INSTALLED,
            f"Version {version} does not start from {new}: {said or problem}.",
            "Is that file system mounted noexec? Then name another place: --prefix DIR.",
        ) from problem
    return new


def _trust(versions: Versions, tree: Path) -> None:
    """Put the root of trust that a tree carries beside the versions, for those that carry none; never over another.

    One that is there may be the operator's own, and by its publisher's signatures agents follow it to every later one.
    """
    carried, place = tree / _CARRIED_ROOT, versions.prefix / ROOT_OF_TRUST
    if carried.is_file() and not place.exists():
        write_atomically(place, carried.read_bytes(), mode=0o644)


def _remove_all(versions: Versions) -> Gone:
    versions.link.unlink(missing_ok=True)
    left = tuple(version for version in versions.installed().versions if not versions.remove(version))
    if not left:
        for name in (".lock", ROOT_OF_TRUST):
            (versions.prefix / name).unlink(missing_ok=True)
        for folder in (versions.prefix / "versions", versions.prefix):
            with suppress(OSError):  # a package's own files are beside it
                folder.rmdir()
    return Gone(in_use=left)


def _check_command(places: Places, versions: Versions) -> None:
    if os.path.lexists(places.command) and not _is_ours(places.command, versions):
        raise OperatorError(
            Exit.NOT_INSTALLED,
            f"{places.command} is there, and is not from an installation of this kind.",
            "Move it away, or install to another place: --prefix DIR.",
        )


def _is_ours(command: Path, versions: Versions) -> bool:
    return command.is_symlink() and os.path.normpath(command.parent / command.readlink()) == str(versions.program)


def _link_command(places: Places, versions: Versions) -> None:
    aside = places.command.with_name(f".{places.command.name}.new")
    aside.unlink(missing_ok=True)
    aside.symlink_to(os.path.relpath(versions.program, places.command.parent))
    aside.replace(places.command)


def _write_definitions(places: Places, program: Path) -> None:
    make_folders(places.unit.parent)
    write_atomically(places.unit, systemd_unit(program, places.scope).encode(), mode=0o644)
    if places.settings is not None and not places.settings.exists():
        make_folders(places.settings.parent)
        write_atomically(places.settings, system_settings().encode(), mode=0o644)


@contextmanager
def _explained(places: Places | None, prefix: Path | None = None) -> Generator[None]:
    """Turn what went wrong into a cause and a cure."""
    try:
        yield
    except VersionRefusedError as problem:
        raise OperatorError(
            Exit.NOT_INSTALLED,
            f"Not installed: {problem}.",
            f"Stop that agent and let its tasks end (edge-agent drain, systemctl stop {SERVICE}), then try again.",
        ) from problem
    except OSError as problem:
        where = problem.filename or (places.prefix if places else prefix)
        what = f"{where}: {problem.strerror or problem}"
        raise OperatorError(Exit.NOT_INSTALLED, f"Not installed: {what}.", _cure(problem.errno)) from problem


def _cure(number: int | None) -> str:
    rest = "What was installed before is as it was."
    match number:
        case errno.ENOSPC | errno.EDQUOT:
            return f"There is no room: make 60 MB free there, or name another place with --prefix DIR. {rest}"
        case errno.EACCES | errno.EPERM:
            return f"You may not write there: install for yourself with --user, or for the machine as root. {rest}"
        case errno.EROFS:
            return f"That file system can only be read: name a place that can be written with --prefix DIR. {rest}"
        case _:
            return f"Name a place that can be written with --prefix DIR. {rest}"
