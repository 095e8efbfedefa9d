"""Packs in a repository: added from a folder after a look whether they are what they say, and taken out again."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from tuf.api.metadata import Metadata, Targets

from leasehold_agent.packs.machine import platform_name
from leasehold_agent.packs.names import (
    LABEL,
    NAME,
    UV,
    BadPackError,
    Pack,
    catalogue_target,
    pack_in_file,
    pack_labelled,
    read_catalogue,
    write_catalogue,
)
from leasehold_agent.packs.trying import try_pack
from leasehold_agent.updating.choosing import is_newer
from leasehold_agent.updating.unpacking import unpack
from release.archive import write_archive
from release.changes import add_target
from release.workspace import ReleaseError, Workspace

_OF_THE_SYSTEM = ("/lib", "/usr/lib")
# Every module of the library that is a file of its own, and then all files that this brought into the process.
_LOADED = """\
import importlib, pathlib, sys, sysconfig
for file in pathlib.Path(sys.prefix).glob("lib/python3*/lib-dynload/*.so"):
    importlib.import_module(file.name.partition(".")[0])
for line in open("/proc/self/maps"):
    if "/" in line:
        print(line[line.index("/"):].rstrip())
"""


def add_pack(workspace: Workspace, tree: Path, *, now: datetime) -> Pack:
    """Stage the pack that a folder holds; it is what agents get from now on by its name. None is ever exchanged.

    Raises:
        ReleaseError: it is none, does not work from another place, or is there already.
        TreeError: agents would not take what is in it.
    """
    try:
        pack = pack_labelled((tree / LABEL).read_bytes())
    except (OSError, BadPackError) as error:
        raise ReleaseError(f"{tree} is no pack: {error}. make_runtime_pack.py and make_uv_pack.py make them") from error
    if pack.platform != platform_name():
        raise ReleaseError(
            f"{tree} is for {pack.platform}, and can't be tried on {platform_name()}: add it on such a machine"
        )
    metadata = workspace.next("targets", Targets, now=now)
    if pack.target in metadata.signed.targets:
        raise ReleaseError(
            f"{pack.name} {pack.version} for {pack.platform} is there already: make it once more with --build 2, "
            "what agents may have is never exchanged"
        )
    workspace.staged.mkdir(exist_ok=True)
    aside = workspace.staged / ".archive"
    write_archive(tree, aside, top=pack.name, program=pack.starts)
    try:
        with _moved(aside, workspace.staged / ".moved") as folder:
            _check(folder / pack.name, tree, pack)
    except BadPackError as error:
        aside.unlink()
        raise ReleaseError(f"{tree} can't be added: {error}") from error
    add_target(workspace, metadata, pack.target, aside)
    _stage_catalogue(workspace, pack.platform, now=now)
    return pack


def withdraw_pack(workspace: Workspace, name: str, version: str, *, now: datetime) -> list[Pack]:
    """Stage that a pack is not there any more, for any platform; by its name agents get the newest that is left."""
    metadata = workspace.next("targets", Targets, now=now)
    gone = [pack for pack in _packs(metadata) if (pack.name, pack.version) == (name, version)]
    if not gone:
        raise ReleaseError(f"there is no pack {name} {version} in the repository")
    for pack in gone:
        del metadata.signed.targets[pack.target]
    workspace.stage("targets", metadata)
    for pack in gone:
        _stage_catalogue(workspace, pack.platform, now=now)
    return gone


@contextmanager
def _moved(archive: Path, folder: Path) -> Iterator[Path]:
    """Unpack it as agents do, for a while."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        unpack(archive, folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check(moved: Path, tree: Path, pack: Pack) -> None:
    """See that a pack works where it is now, and needs nothing of where it was made.

    Raises:
        BadPackError: it does.
    """
    try_pack(moved, pack)
    if pack.name == UV:
        return
    command = [str(moved / pack.starts), "-I", "-S", "-W", "ignore", "-c", _LOADED]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={}, stdin=subprocess.DEVNULL)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise BadPackError(f"a module of its library can't be imported: {last}")
    places = (str(moved.resolve()), *_OF_THE_SYSTEM)
    foreign = sorted({line for line in done.stdout.splitlines() if not line.startswith(places)})
    if foreign:
        raise BadPackError(f"it is not made to be moved: from {tree} moved elsewhere it still loads {foreign[0]}")


def _packs(metadata: Metadata[Targets]) -> list[Pack]:
    found: list[Pack] = []
    for path in metadata.signed.targets:
        folder, _, file = path.rpartition("/")
        if folder.startswith("packs/") and NAME.fullmatch(folder.split("/")[1]):
            found.append(pack_in_file(file))
    return found


def _stage_catalogue(workspace: Workspace, platform: str, *, now: datetime) -> None:
    """Stage which version agents of a platform get by the name of a pack: the newest that is there."""
    metadata = workspace.next("targets", Targets, now=now)
    newest: dict[str, str] = {}
    for pack in _packs(metadata):
        if pack.platform == platform and (pack.name not in newest or is_newer(pack.version, newest[pack.name])):
            newest[pack.name] = pack.version
    content = write_catalogue(newest)
    read_catalogue(content)
    aside = workspace.staged / ".catalogue"
    aside.write_bytes(content)
    add_target(workspace, metadata, catalogue_target(platform), aside)
