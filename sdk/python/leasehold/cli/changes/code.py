"""Compares two bundles: which files came, went or changed, and by how many lines. Pure."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from difflib import SequenceMatcher

from leasehold.cli.changes.comparing import What


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """A file of a bundle that is new, gone or different. ``added`` and ``removed`` count lines; None: it is no text."""

    file: str
    what: What
    added: int | None
    removed: int | None


def compare_code(before: bytes | None, after: bytes | None) -> list[FileChange]:
    """Return what is different in the new bundle.

    Raises:
        zipfile.BadZipFile: if one of them is no zip.
    """
    old, new = _contents(before), _contents(after)
    changes: list[FileChange] = []
    for name in sorted({*old, *new}):
        had, has = old.get(name), new.get(name)
        if had == has:
            continue
        what = What.ADDED if had is None else What.REMOVED if has is None else What.CHANGED
        added, removed = _counts(had or b"", has or b"")
        changes.append(FileChange(file=name, what=what, added=added, removed=removed))
    return changes


def _contents(bundle: bytes | None) -> dict[str, bytes]:
    if bundle is None:
        return {}
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _counts(before: bytes, after: bytes) -> tuple[int | None, int | None]:
    try:
        old, new = before.decode().splitlines(), after.decode().splitlines()
    except UnicodeDecodeError:
        return None, None
    kept = sum(block.size for block in SequenceMatcher(None, old, new).get_matching_blocks())
    return len(new) - kept, len(old) - kept
