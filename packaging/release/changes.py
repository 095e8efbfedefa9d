"""Changes to a repository, staged: who signs, which versions there are, which one a channel has."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from securesystemslib.signer import Key, Signer
from tuf.api.metadata import Metadata, Root, TargetFile, Targets

from release.archive import write_archive
from release.workspace import ReleaseError, Workspace, expiry

_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+~_-]{0,99}")
ROLES = ("root", "targets", "snapshot", "timestamp")


@dataclass(frozen=True, slots=True)
class Holders:
    """Who signs for a role, and how many of them have to."""

    keys: Sequence[Key]
    threshold: int


def init(workspace: Workspace, holders: Mapping[str, Holders], *, now: datetime) -> None:
    """Stage the first root and an empty list of targets."""
    root = Root(version=1, expires=expiry("root", now), consistent_snapshot=True)
    for role in ROLES:
        _set(root, role, holders[role])
    workspace.make()
    workspace.stage("root", Metadata(root))
    workspace.stage("targets", Metadata(Targets(version=1, expires=expiry("targets", now))))


def change_holders(workspace: Workspace, role: str, holders: Holders, *, now: datetime) -> None:
    """Stage a root in which a role has these keys, and no others.

    The old root's keys have to sign it, and the new root's: by that agents follow.
    """
    metadata = workspace.next("root", Root, now=now)
    for keyid in list(metadata.signed.roles[role].keyids):
        metadata.signed.revoke_key(keyid, role)
    _set(metadata.signed, role, holders)
    workspace.stage("root", metadata)
    if role == "targets":
        renew(workspace, "targets", now=now)


def renew(workspace: Workspace, role: str, *, now: datetime) -> None:
    """Stage the next version of a role as it is, with a later expiry."""
    if role == "root":
        workspace.stage("root", workspace.next("root", Root, now=now))
    else:
        workspace.stage("targets", workspace.next("targets", Targets, now=now))


def add_version(workspace: Workspace, tree: Path, version: str, platform: str, *, now: datetime, level: int = 6) -> str:
    """Stage a version for a platform, packed so hard (1 … 9); return the path of its target. None is ever exchanged."""
    _check_name(version)
    _check_name(platform)
    path = f"edge-agent/{version}/edge-agent-{version}-{platform}.tar.gz"
    metadata = workspace.next("targets", Targets, now=now)
    if path in metadata.signed.targets:
        raise ReleaseError(f"{version} for {platform} is there already: what agents may have is never exchanged")
    aside = workspace.staged / ".archive"
    workspace.staged.mkdir(exist_ok=True)
    write_archive(tree, aside, level=level)
    add_target(workspace, metadata, path, aside)
    return path


def promote(workspace: Workspace, version: str, channel: str, *, now: datetime) -> None:
    """Stage that a channel has this version."""
    _check_name(channel)
    metadata = workspace.next("targets", Targets, now=now)
    if not any(path.startswith(f"edge-agent/{version}/") for path in metadata.signed.targets):
        raise ReleaseError(f"there is no version {version} in the repository: release.py add adds it")
    workspace.staged.mkdir(exist_ok=True)
    aside = workspace.staged / ".channel"
    aside.write_text(json.dumps({"version": version}) + "\n")
    add_target(workspace, metadata, f"channels/{channel}.json", aside)


def withdraw(workspace: Workspace, version: str, *, now: datetime) -> None:
    """Stage that a version is not there any more; no channel may have it."""
    metadata = workspace.next("targets", Targets, now=now)
    for path, target in metadata.signed.targets.items():
        if path.startswith("channels/") and read_target(workspace, path, target) == {"version": version}:
            raise ReleaseError(f"{path} has version {version}: promote another one there first")
    gone = [path for path in metadata.signed.targets if path.startswith(f"edge-agent/{version}/")]
    if not gone:
        raise ReleaseError(f"there is no version {version} in the repository")
    for path in gone:
        del metadata.signed.targets[path]
    workspace.stage("targets", metadata)


def sign(workspace: Workspace, role: str, signer: Signer) -> None:
    """Add a signature to what is staged of a role.

    Raises:
        ReleaseError: nothing is staged, or this key does not count for the role.
    """
    kind = Root if role == "root" else Targets
    metadata = workspace.waiting(role, kind)
    if metadata is None:
        raise ReleaseError(f"nothing of {role} waits for signatures")
    root = workspace.newest("root", Root).signed
    counting = set(root.roles[role].keyids)
    before = workspace.published("root", Root)
    if role == "root" and before is not None:
        counting |= set(before.signed.roles["root"].keyids)
    if signer.public_key.keyid not in counting:
        raise ReleaseError(f"this key ({signer.public_key.keyid[:12]}…) does not count for {role}")
    metadata.sign(signer, append=True)
    workspace.stage(role, metadata)


def _set(root: Root, role: str, holders: Holders) -> None:
    if not 1 <= holders.threshold <= len({key.keyid for key in holders.keys}):
        raise ReleaseError(f"{role}: {holders.threshold} of {len(holders.keys)} keys can't be asked for")
    for key in holders.keys:
        root.add_key(key, role)
    root.roles[role].threshold = holders.threshold


def add_target(workspace: Workspace, metadata: Metadata[Targets], path: str, file: Path) -> None:
    """Move ``file`` to where the target's hash says, and stage that it is there."""
    target = TargetFile.from_file(path, str(file), ["sha256"])
    folder, _, name = path.rpartition("/")
    place = workspace.staged / "targets" / folder / f"{target.hashes['sha256']}.{name}"
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(file, place)
    metadata.signed.targets[path] = target
    workspace.stage("targets", metadata)


def read_target(workspace: Workspace, path: str, target: TargetFile) -> object:
    """Return what a small target of the repository says; none when its file is not here."""
    folder, _, name = path.rpartition("/")
    inside = Path(folder) / f"{target.hashes['sha256']}.{name}"
    for root in (workspace.staged / "targets", workspace.targets):
        if (root / inside).is_file():
            return json.loads((root / inside).read_text())
    return None


def _check_name(text: str) -> None:
    if _NAME.fullmatch(text) is None:
        raise ReleaseError(f"{text!r} can't be a name here: letters, digits and .+~_- only")
