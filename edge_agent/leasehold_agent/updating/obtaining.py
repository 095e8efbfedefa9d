"""Brings one version from the repository beside the others: downloaded, checked, unpacked, put in place, started once.

Whatever stops it, the versions that were there before are there, and ``current`` leads where it led.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.fault_points import reach
from leasehold_agent.installing.versions import PROGRAM, VersionRefusedError, Versions
from leasehold_agent.packs.machine import platform_name
from leasehold_agent.updating.repository import Repository
from leasehold_agent.updating.unpacking import BadArchiveError, unpack

_START_S = 60.0
"""A version that takes longer to say which it is does not work here."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def alone(folder: Path) -> Generator[None, None, None]:
    """Be the only update that works in ``folder``.

    Raises:
        OperatorError: another is under way, or the folder can't be written.
    """
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o755, exist_ok=True)
        fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise disk_says_no(error, folder) from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OperatorError(
                Exit.IN_USE, f"Another update is under way in {folder}.", "Wait for its end, and look at its result."
            ) from None
        yield
    finally:
        os.close(fd)


def obtain(
    repository: Repository, versions: Versions, version: str, *, folder: Path, keep: Collection[str | None]
) -> None:
    """Have ``version`` among the installed ones; it is not in use by that.

    Args:
        folder: where to work; what an interrupted update left there is cleared away.
        keep: versions that stay. Of the others those go that no process runs from.

    Raises:
        OperatorError: it can't be had, or does not work on this machine.
    """
    work = folder / "work"
    try:
        shutil.rmtree(work, ignore_errors=True)
        if version not in versions.installed().versions:
            _bring(repository, versions, version, work)
        _try_once(versions, version)
        for old in versions.installed().versions:
            if old != version and old not in keep:
                versions.remove(old)
    except (BadArchiveError, VersionRefusedError) as error:
        raise OperatorError(
            Exit.UPDATE, f"Version {version} can't be installed: {error}.", "Nothing was changed. Tell its publisher."
        ) from error
    except OSError as error:
        raise disk_says_no(error, versions.prefix) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _bring(repository: Repository, versions: Versions, version: str, work: Path) -> None:
    work.mkdir(mode=0o700)
    repository.download(version, platform_name(), work / "archive")
    reach("agent.update.downloaded.before-unpack")
    unpack(work / "archive", work / "unpacked")
    (work / "archive").unlink()
    reach("agent.update.unpacked.before-place")
    versions.put_version(work / "unpacked" / PROGRAM, version, link=True)
    reach("agent.update.placed.before-start")


def _try_once(versions: Versions, version: str) -> None:
    """Let the version say which it is: one for another machine or a newer system can't even do that.

    Raises:
        OperatorError: it does not start, or is another one; it is removed.
    """
    program = versions.tree(version) / PROGRAM
    try:
        done = subprocess.run(
            [program, "version", "--json"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_START_S,
            env=_bare(os.environ),
            check=False,
        )
        said = done.stderr.decode(errors="replace").strip()[-500:] or f"exit code {done.returncode}"
        named = json.loads(done.stdout)["version"] if done.returncode == 0 else None
    except subprocess.TimeoutExpired:
        named, said = None, f"it says nothing for {_START_S:.0f} s"
    except OSError as error:
        named, said = None, error.strerror or str(error)
    except (ValueError, KeyError, TypeError):
        named, said = None, "it does not say which version it is"
    if named != version:
        versions.remove(version)
        raise OperatorError(
            Exit.UPDATE,
            f"Version {version} does not work on this machine: "
            + (f"it says that it is {named}." if named else f"{said.rstrip('.')}."),
            "The version that ran before still runs. Tell the publisher, or choose another with --to VERSION.",
        )


def _bare(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith("LEASEHOLD_")}


def disk_says_no(error: OSError, place: Path, *, what: str = "a new version") -> OperatorError:
    """Return what a person is told when the disk does not take something."""
    if error.errno in _NO_ROOM:
        return OperatorError(
            Exit.UPDATE,
            f"There is not enough room for {what} in {place}.",
            "Make room on that file system and try again. What ran before still runs.",
        )
    where = error.filename or place
    return OperatorError(
        Exit.UPDATE,
        f"{where} can't be written: {error.strerror or error}.",
        f"Do it as the owner of {place} (sudo, where it belongs to root).",
    )
