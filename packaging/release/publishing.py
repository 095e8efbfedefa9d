"""Publishing: what is staged and signed by enough, then a snapshot and a timestamp by the keys that are online.

The timestamp comes last: until it is there agents see the repository as it was.
"""

from __future__ import annotations

from datetime import datetime

from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from release.workspace import DAYS, ReleaseError, Workspace, expiry


def missing(workspace: Workspace) -> dict[str, str]:
    """Return, by role, which signatures what is staged still needs; empty when it can be published."""
    found: dict[str, str] = {}
    root = workspace.newest("root", Root)
    staged = workspace.waiting("root", Root)
    if staged is not None:
        before = workspace.published("root", Root)
        for who, judge in (("the new root", root), ("the root before", before)):
            if judge is None:
                continue
            result = judge.signed.get_verification_result("root", staged.signed_bytes, staged.signatures)
            if not result.verified:
                found["root"] = f"{len(result.signed)} of {result.threshold} signatures of {who}'s keys"
    targets = workspace.newest("targets", Targets)
    result = root.signed.get_verification_result("targets", targets.signed_bytes, targets.signatures)
    if not result.verified:
        found["targets"] = f"{len(result.signed)} of {result.threshold} signatures"
    return found


def publish(workspace: Workspace, *, snapshot: Signer, timestamp: Signer, now: datetime) -> None:
    """Serve what is staged; with nothing staged, renew snapshot and timestamp.

    Raises:
        ReleaseError: signatures are missing, or one of the keys is not the role's. Nothing has changed then.
    """
    if lacking := missing(workspace):
        lines = [f"{role} has {what}" for role, what in lacking.items()]
        raise ReleaseError("it is not signed by enough: " + "; ".join(lines) + ". Let others run release.py sign.")
    root = workspace.newest("root", Root).signed
    for role, signer in (("snapshot", snapshot), ("timestamp", timestamp)):
        if signer.public_key.keyid not in root.roles[role].keyids:
            raise ReleaseError(f"this key ({signer.public_key.keyid[:12]}…) does not count for {role}")
    staged_root, staged_targets = workspace.waiting("root", Root), workspace.waiting("targets", Targets)
    targets = workspace.newest("targets", Targets)
    workspace.publish_targets()
    if staged_root is not None:
        workspace.publish("root", staged_root)
    if staged_targets is not None:
        workspace.publish("targets", staged_targets)
    taken = _publish_snapshot(workspace, targets.signed.version, snapshot, now)
    _publish_timestamp(workspace, taken, timestamp, now)


def _publish_snapshot(workspace: Workspace, targets: int, signer: Signer, now: datetime) -> Metadata[Snapshot]:
    before = workspace.published("snapshot", Snapshot)
    version = 1 if before is None else before.signed.version + 1
    metadata = Metadata(Snapshot(version=version, expires=expiry("snapshot", now)))
    metadata.signed.meta["targets.json"] = MetaFile(version=targets)
    metadata.sign(signer)
    workspace.publish("snapshot", metadata)
    return metadata


def _publish_timestamp(workspace: Workspace, taken: Metadata[Snapshot], signer: Signer, now: datetime) -> None:
    before = workspace.published("timestamp", Timestamp)
    version = 1 if before is None else before.signed.version + 1
    metadata = Metadata(Timestamp(version=version, expires=expiry("timestamp", now)))
    metadata.signed.snapshot_meta = MetaFile(version=taken.signed.version)
    metadata.sign(signer)
    workspace.publish("timestamp", metadata)


def report(workspace: Workspace) -> str:
    """Return how the repository stands, for people."""
    lines = []
    for role, kind in (("root", Root), ("targets", Targets), ("snapshot", Snapshot), ("timestamp", Timestamp)):
        published = workspace.published(role, kind)
        state = "not published"
        if published is not None:
            state = f"version {published.signed.version}, until {published.signed.expires:%Y-%m-%d %H:%M} UTC"
        lines.append(f"{role:10} {state} (lasts {DAYS[role]} days)")
        if role in ("root", "targets") and (waits := workspace.waiting(role, kind)) is not None:
            lacks = missing(workspace).get(role)
            lines.append(f"{'':10} version {waits.signed.version} is staged: " + (lacks or "signed by enough"))
    targets = workspace.newest("targets", Targets)
    lines += [f"{'':10} {path}" for path in sorted(targets.signed.targets)]
    return "\n".join(lines)
