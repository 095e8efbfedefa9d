"""Brings one pack from the repository to where tasks find it: checked, unpacked, tried, and only then offered.

Whatever stops it, the packs that were offered before are offered, and nothing half is there.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.fault_points import reach
from leasehold_agent.installing.versions import VersionRefusedError
from leasehold_agent.packs.names import (
    BadPackError,
    Pack,
    catalogue_target,
    did_you_mean,
    pack_in_file,
    read_catalogue,
)
from leasehold_agent.packs.store import PackStore, StoreBusyError
from leasehold_agent.packs.trying import check_label, try_pack
from leasehold_agent.updating.obtaining import disk_says_no
from leasehold_agent.updating.repository import Repository
from leasehold_agent.updating.unpacking import BadArchiveError, unpack

_AS_BEFORE = "Nothing was changed."
_PATIENCE_S = 10.0


def packs_in(repository: Repository, platform: str) -> dict[str, str]:
    """Return the version to have of each pack that the repository has for a platform.

    Raises:
        OperatorError: as ``Repository.refresh``, or what it says can't be understood.
    """
    content = repository.content(catalogue_target(platform))
    try:
        return {} if content is None else read_catalogue(content)
    except BadPackError as error:
        raise OperatorError(Exit.UPDATE, f"{str(error).capitalize()}.", "Tell its publisher.") from error


def pack_named(repository: Repository, name: str, platform: str, *, version: str | None) -> Pack:
    """Return the pack that somebody asks for by its name.

    Raises:
        OperatorError: as ``packs_in``, or there is no such pack.
    """
    there = packs_in(repository, platform)
    if version is None and name in there:
        return Pack(name, there[name], platform)
    if version is not None and repository.fetch(Pack(name, version, platform).target, None):
        return Pack(name, version, platform)
    what = name if version is None else f"{name} {version}"
    cure = did_you_mean(name, there) if version is None or name not in there else f"It has {name} {there[name]}."
    raise OperatorError(Exit.NOT_FOUND, f"The repository {repository.url} has no pack {what} for {platform}.", cure)


def pack_of_file(file: Path, platform: str) -> Pack:
    """Return the pack that somebody has as a file; whether it is that, the repository's signatures say.

    Raises:
        OperatorError: it is no pack's file, or one for other machines.
    """
    try:
        pack = pack_in_file(file.name)
    except BadPackError as error:
        raise OperatorError(Exit.USAGE, f"{error}.", "Give the file the name that it has in the repository.") from error
    if pack.platform != platform:
        raise OperatorError(
            Exit.UPDATE, f"{file.name} is for {pack.platform}; this machine is {platform}.", f"Get that for {platform}."
        )
    return pack


def obtain_pack(repository: Repository, store: PackStore, pack: Pack, *, file: Path | None = None) -> bool:
    """Have a pack, and let tasks have it; tell whether that is new.

    Args:
        repository: has to vouch for it, wherever its bytes come from.
        file: a copy of its archive on this machine; none: it is downloaded.

    Raises:
        OperatorError: it can't be had, is not what is signed, or does not work on this machine.
    """
    try:
        with store.changing(patience_s=_PATIENCE_S):
            store.clear()
            if store.is_offered(pack):
                return False
            try:
                if not store.has(pack):  # else it was withdrawn, and something runs with it
                    _bring(repository, store, pack, file)
                store.offer(pack)
            finally:
                store.clear()
            return True
    except StoreBusyError as error:
        raise OperatorError(
            Exit.IN_USE, f"Another command changes the packs in {store.root}.", "Wait for its end."
        ) from error
    except BadPackError as error:
        raise _refused(pack, error, error.cure) from error
    except (BadArchiveError, VersionRefusedError) as error:
        raise _refused(pack, error, "Tell its publisher.") from error
    except OSError as error:
        raise disk_says_no(error, store.root, what=f"pack {pack.name}") from error


def _bring(repository: Repository, store: PackStore, pack: Pack, file: Path | None) -> None:
    """Put a pack in place, and see that it works there. It is not offered by that: one that fails is cleared."""
    store.work.mkdir(mode=0o700)
    archive = store.work / "archive"
    if file is not None:
        _take_copy(repository, pack, file, archive)
    else:
        repository.fetch(pack.target, archive)
    reach("agent.update.pack.downloaded.before-unpack")
    unpack(archive, store.work / "unpacked")
    archive.unlink()
    tree = store.work / "unpacked" / pack.name
    check_label(tree, pack)
    reach("agent.update.pack.unpacked.before-place")
    place = store.put(tree, pack)
    reach("agent.update.pack.placed.before-try")
    try_pack(place, pack)
    reach("agent.update.pack.tried.before-offer")


def _take_copy(repository: Repository, pack: Pack, file: Path, archive: Path) -> None:
    """Copy a file, and only then hold it against what is signed: what is checked is what is unpacked.

    Raises:
        OperatorError: it can't be read, or is not what is signed.
    """
    try:
        content = file.open("rb")
    except OSError as error:
        raise OperatorError(
            Exit.USAGE, f"{file} can't be read: {error.strerror}.", "Name a pack, or a pack's file."
        ) from error
    with content, archive.open("wb") as copy:
        shutil.copyfileobj(content, copy)
    if not repository.vouches_for(pack.target, archive):
        raise OperatorError(
            Exit.UNTRUSTED,
            f"{file} is not what the repository {repository.url} has signed as {pack.file}, or it has no such pack.",
            f"{_AS_BEFORE} Copy it again; if that does not help, ask whoever publishes it. Don't go round this.",
        )


def _refused(pack: Pack, error: Exception, cure: str) -> OperatorError:
    return OperatorError(Exit.UPDATE, f"Pack {pack.name} {pack.version} can't be had: {error}.", f"{_AS_BEFORE} {cure}")
