"""The state directory: room, safety, and whether logs and objects can be written."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from leasehold_protocol.findings import Finding, fine, problem, warning

MIB = 1024 * 1024
_SCARCE = 512 * MIB
_SLOW_FSYNC_MS = 100.0
OBJECTS = ("logs", "blobs")
"""Where logs, bundles, files and large results are, in the state directory."""


def check_disk(state_dir: Path) -> Iterator[Finding]:
    """Look at the disk that everything durable is on."""
    free = shutil.disk_usage(state_dir).free
    if free < _SCARCE:
        cure = "Make room there, or let old runs go: the setting retention_days, docs/howto/operate-runs.md."
        yield problem("disk", f"{free // MIB} MiB free under {state_dir}", cure)
    else:
        yield fine("disk", f"{free // MIB} MiB free under {state_dir}")
    facts = state_dir.stat()
    if facts.st_uid != os.geteuid():
        cure = f"Run as the user with id {facts.st_uid}, as the service does, or give it away: chown -R."
        yield problem("permissions", f"{state_dir} belongs to the user with id {facts.st_uid}, not to this one", cure)
        return
    if facts.st_mode & 0o077:
        yield problem("permissions", f"other users may look into {state_dir}", f"Run: chmod 700 {state_dir}")
    else:
        yield fine("permissions", f"{state_dir} is this user's alone")
    for name in OBJECTS:
        # Made when the first log or bundle comes.
        folder = state_dir / name
        yield _writable(name, folder if folder.is_dir() else state_dir)


def _writable(check: str, folder: Path) -> Finding:
    probe = folder / f".doctor-{os.getpid()}"
    started = time.monotonic()
    try:
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, b"x" * 4096)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        return problem(check, f"nothing can be written in {folder}: {error.strerror}", "Make room, or mount it rw.")
    finally:
        probe.unlink(missing_ok=True)
    took = round((time.monotonic() - started) * 1000, 1)
    if took > _SLOW_FSYNC_MS:
        cure = "Every log and every commit waits for that disk: use a faster one, or look what keeps it busy."
        return warning(check, f"{folder} is slow to make writes durable", cure, took_ms=took)
    return fine(check, f"{folder} takes writes", took_ms=took)
